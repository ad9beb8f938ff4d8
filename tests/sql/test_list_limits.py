"""list_limits: a page of limit_status that counts no more than it is asked to."""

from typing import Any

import pytest

from .conftest import Sql
from .limit_steps import add, claimed, set_limit
from .plan import buffers_of

COLUMNS = (
    "key, limit_name, enabled, rate, per, burst, max_running, count_cost, weight, retry_blocks, changed_at, used, remaining, "
    "running, waiting, parked_until, round(tokens::numeric, 1) as tokens, round(burst_used::numeric, 1) as burst_used"
)


@pytest.fixture
def limits(rolled_back_sql: Sql) -> Sql:
    """Limits of all kinds: some that were used, of a name, of a queue, one that is off, a parked key, a key without a limit."""
    sql = rolled_back_sql
    set_limit(sql, "api", rate=60, per="1 h", burst=10)
    set_limit(sql, "tenant", max_running=2)
    set_limit(sql, "tenant:b", rate=1, per="1 h", weight=3)
    set_limit(sql, "off", rate=5, enabled=False)
    set_limit(sql, "queue:default", rate=10, per="1 h", burst=1000)  # what comes back while this is looked at is no 0.1
    add(sql, 4, "api", "tenant:a")
    add(sql, 3, "tenant:b")
    add(sql, 2, fair="account:7")
    assert claimed(sql, sql.worker(), 5)
    sql.value("select park('tenant:c', clock_timestamp() + interval '1 h')")
    return sql


def keys(sql: Sql, *arguments: Any) -> list[str]:
    """The keys of a page: of a prefix, behind a key, so many."""
    return [row["key"] for row in sql.rows("select key from list_limits(%s, %s, %s, 100)", *arguments)]


@pytest.mark.parametrize("count_to", [None, 1000])
def test_it_says_of_each_key_what_the_view_says(limits: Sql, count_to: int | None) -> None:
    page = limits.rows(f"select {COLUMNS} from list_limits(count_to => %s)", count_to)

    assert page == limits.rows(f"select {COLUMNS} from limit_status order by key")
    assert [row["key"] for row in page] == [
        "account:7", "api", "off", "queue:default", "tenant", "tenant:a", "tenant:b", "tenant:c",
    ]  # fmt: skip


def test_pages_follow_each_other_and_a_prefix_is_none_of_a_pattern(limits: Sql) -> None:
    set_limit(limits, "ten_nt", max_running=1)

    assert keys(limits, None, None, 3) == ["account:7", "api", "off"]
    assert keys(limits, None, "off", 3) == ["queue:default", "ten_nt", "tenant"]
    assert keys(limits, "tenant:", None, 10) == ["tenant:a", "tenant:b", "tenant:c"]
    assert keys(limits, "tenant:", "tenant:a", 1) == ["tenant:b"]
    assert keys(limits, "ten_", None, 10) == ["ten_nt"]
    assert keys(limits, "%", None, 10) == []


def test_it_counts_no_more_than_it_is_asked_to(limits: Sql) -> None:
    add(limits, 20, "tenant:z")
    query = "select waiting from list_limits('tenant:z', count_to => %s)"

    assert [limits.value(query, count_to) for count_to in (5, 20, 21, None)] == [5, 20, 20, 20]
    assert limits.value("select waiting from list_limits('queue:', count_to => 7)") == 7


@pytest.fixture
def many(rolled_back_sql: Sql) -> Sql:
    """100,000 jobs of one key, in 1,000 lanes."""
    set_limit(rolled_back_sql, "api", max_running=1)
    rolled_back_sql.rows(
        "insert into job (run_at, created_at, state, task, limits, lane_id) select clock_timestamp(), clock_timestamp(), "
        "'ready', 'noop', keys, lane_of('default', keys) from generate_series(1, 100000) n, "
        "lateral (select array['api', 'tenant:' || n %% 1000] as keys) k"
    )
    rolled_back_sql.rows(
        "insert into turn (queue, lane_id, keys, due_at) select 'default', lane_id, limits, clock_timestamp() "
        "from (select distinct lane_id, limits from job) l"
    )
    return rolled_back_sql


def test_what_it_reads_does_not_grow_with_what_waits(many: Sql) -> None:
    assert many.value("select waiting from list_limits('api', count_to => 1000)") == 1000
    assert buffers_of(many, "select * from list_limits('api', null, 1, 1000)") < 6000
