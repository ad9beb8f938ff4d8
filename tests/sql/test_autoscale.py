"""autoscale: one check of a pool: who looks, when, and what is written down."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Sql
from .pool_steps import events, make_pool, pool, worker


def scaled(sql: Sql, rules: dict[str, Any] | None = None, **values: Any) -> None:
    """A pool that scales itself, with 10 slots a worker."""
    make_pool(sql, queues=["mail"], concurrency=10, autoscale=True, rules=rules or {}, **values)


def check(sql: Sql, seconds: float = 0, by: str = "agent-1") -> float | None:
    """A check so many seconds from now."""
    return sql.value(  # type: ignore[no-any-return]
        "select autoscale('mail', %s, clock_timestamp() + make_interval(secs => %s))", by, seconds
    )


def fill(sql: Sql, jobs: int) -> None:
    sql.rows("select enqueue('noop', queue => 'mail') from generate_series(1, %s)", jobs)


def test_a_burst_brings_as_many_workers_as_it_needs(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    scaled(sql)
    worker(sql, 1, queues=("mail",))
    fill(sql, 200)
    sql.rows("update pool set rules = '{\"connections_per_worker\": 0}' returning name")

    assert check(sql) == 30
    assert (pool(sql)["wanted"], pool(sql)["scaled_up_at"] is not None, pool(sql)["scaled_down_at"]) == (29, True, None)
    (event,) = sql.rows("select * from pool_event where kind = 'scaled_up'")
    assert (event["by"], event["before"], event["after"]) == ("agent-1", 1, 29)
    assert event["reason"] == "depth_up: 200 jobs are ready, more than 100"
    seen = event["figures"]
    assert seen.pop("connections_left") > 10
    assert 0 <= seen.pop("oldest") < 5
    assert seen == {"wanted": 1, "workers": 1, "running": 0, "ready": 200, "utilisation": 0}


def test_agents_are_told(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    scaled(sql)
    fill(sql, 200)
    listener = another_sql()
    listener.listen()
    check(sql)

    assert listener.wakes(sql) == ["!pool mail"]


def test_whoever_calls_it_looks_once_in_a_while(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    scaled(sql)
    assert check(sql) == 30
    fill(sql, 200)

    assert 19 < (check(sql, 10, "agent-2") or 0) <= 20.5
    assert pool(sql)["wanted"] == 1
    assert check(sql, 31, "agent-2") == 30
    assert pool(sql)["wanted"] > 1


def test_a_check_in_the_future_was_before_the_clock_was_set_back(rolled_back_sql: Sql) -> None:
    scaled(rolled_back_sql)
    check(rolled_back_sql, 3600)

    assert check(rolled_back_sql) == 30
    assert rolled_back_sql.value("select checked_at < clock_timestamp() from pool")


def test_of_several_agents_one_looks_and_the_others_do_not_wait(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    scaled(sql)
    fill(sql, 200)
    other = another_sql()
    with sql.connection.transaction():
        assert check(sql, by="agent-1") == 30
        other.rows("set statement_timeout = '5 s'")
        assert check(other, by="agent-2") == 1
    check(other, by="agent-2")

    assert [kind for kind, *_ in events(sql)].count("scaled_up") == 1


@pytest.mark.parametrize("change", ["autoscale = false", "paused = true", "deleting = true"])
def test_a_pool_that_does_not_scale_itself_is_left_alone(rolled_back_sql: Sql, change: str) -> None:
    sql = rolled_back_sql
    scaled(sql)
    fill(sql, 200)
    sql.connection.execute(f"update pool set {change}".encode())

    assert check(sql) is None
    assert (pool(sql)["wanted"], pool(sql)["checked_at"]) == (1, None)


def test_a_refusal_is_noted_once_until_something_changes(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    scaled(sql, {"min_connections_left": 100_000}, maximum=20)
    fill(sql, 200)
    for seconds in (0, 30, 60):
        check(sql, seconds)
    assert pool(sql)["refused"] == "connections: fewer than min_connections_left = 100000 would be left"
    assert events(sql)[2:] == [("refused", 1, 1)]

    sql.rows("delete from job returning id")
    check(sql, 90)
    assert pool(sql)["refused"] is None
    fill(sql, 200)
    check(sql, 120)
    sql.rows("update pool set wanted = 20 returning name")
    check(sql, 150)
    check(sql, 180)
    reasons = [row["reason"][:7] for row in sql.rows("select reason from pool_event where kind = 'refused' order by id")]
    assert reasons == ["connect", "connect", "maximum"]


def test_what_was_needed_while_the_load_is_low_is_kept_from_check_to_check(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    scaled(sql)
    sql.rows("update pool set wanted = 20 returning name")
    own = worker(sql, 1, queues=("mail",))
    fill(sql, 50)
    sql.claim(own, 50, ("mail",))
    check(sql, 0)
    assert pool(sql)["low_need"] == 8

    sql.rows("delete from job returning id")
    check(sql, 30)
    assert (pool(sql)["wanted"], pool(sql)["low_need"]) == (20, 8)
    check(sql, 61)
    assert (pool(sql)["wanted"], pool(sql)["low_need"]) == (10, 0)
    assert events(sql)[-1] == ("scaled_down", 20, 10)
    check(sql, 92)
    assert pool(sql)["wanted"] == 10
    check(sql, 123)
    assert pool(sql)["wanted"] == 5


def test_a_pool_that_is_not_there_is_named(rolled_back_sql: Sql) -> None:
    assert rolled_back_sql.refusal("select autoscale('nail', 'a')").sqlstate == "PQ003"


def test_connections_that_are_left_are_those_of_the_tightest_bound(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    free = sql.value("select connections_left()")
    used = sql.value("select used from connection_bounds() where subject = 'max_connections'")
    assert 0 < free <= sql.value("select current_setting('max_connections')::int") - used + 1

    sql.connection.execute(f"alter role {sql.value('select session_user')} connection limit 1".encode())
    assert sql.value("select connections_left()") == 0


def test_without_a_replica_there_is_no_lag(rolled_back_sql: Sql) -> None:
    assert rolled_back_sql.value("select replication_lag()") is None
    make_pool(rolled_back_sql)
    seen = rolled_back_sql.value("select scaling_figures(p, scaling_rules('{\"max_replication_lag\": 5}'), now()) from pool p")
    assert seen["replication_lag"] is None


def test_rules_are_shown_as_they_were_seen(rolled_back_sql: Sql) -> None:
    """What was decided can be decided again from what was kept."""
    sql = rolled_back_sql
    scaled(sql, {"connections_per_worker": 0})
    before = pool(sql)
    fill(sql, 120)
    check(sql)
    seen = sql.value("select figures from pool_event where kind = 'scaled_up'")

    assert pool(sql)["wanted"] == sql.value(
        "select wanted from decide_scaling(jsonb_populate_record(null::pool, %s), scaling_rules(%s), %s, clock_timestamp())",
        json.dumps(before, default=str),
        json.dumps(before["rules"]),
        json.dumps(seen),
    )
