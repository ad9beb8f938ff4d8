"""set_limit: makes a limit, or changes one while jobs wait for it."""

from datetime import timedelta
from typing import Any

import pytest

from .conftest import Sql
from .limit_steps import add, claimed, finish_all, pass_time, set_limit


def limit(sql: Sql, name: str = "k") -> dict[str, Any]:
    """The limit's row."""
    (row,) = sql.rows("select * from limit_def where name = %s", name)
    return row


def test_a_new_limit_has_what_was_given_and_defaults_for_the_rest(rolled_back_sql: Sql) -> None:
    set_limit(rolled_back_sql, "k", rate=60, per="1 m")

    row = limit(rolled_back_sql)
    assert (row["rate"], row["per"], row["burst"], row["max_running"]) == (60, timedelta(minutes=1), 1, None)
    assert (row["count_cost"], row["weight"], row["retry_blocks"], row["enabled"]) == (True, 1, False, True)


@pytest.mark.parametrize(
    ("rate", "per", "burst"),
    [(1, "1 m", 1), (60, "1 m", 1), (2, "1 s", 2), (20, "1 s", 2), (100, "1 s", 10), (101, "1 s", 11), (100_000, "1 m", 167)],
)
def test_a_burst_that_is_not_given_is_a_tenth_of_a_second_but_at_least_two_of_a_fast_limit(
    rolled_back_sql: Sql, rate: float, per: str, burst: float
) -> None:
    set_limit(rolled_back_sql, "k", rate=rate, per=per)

    assert limit(rolled_back_sql)["burst"] == burst


def test_what_is_not_given_stays_and_a_new_rate_has_its_own_burst(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_limit(sql, "k", rate=100, burst=7, max_running=3, count_cost=False, weight=5, retry_blocks=True)
    before = limit(sql)

    set_limit(sql, "k", enabled=False)
    after = limit(sql)
    assert after == before | {"enabled": False, "changed_at": after["changed_at"]}

    set_limit(sql, "k", rate=200)
    assert (limit(sql)["burst"], limit(sql)["max_running"]) == (20, 3)


def test_nought_takes_a_rate_or_max_running_off(rolled_back_sql: Sql) -> None:
    set_limit(rolled_back_sql, "k", rate=100, max_running=3)

    rolled_back_sql.value("select set_limit('k', rate => 0, max_running => 0)")

    row = limit(rolled_back_sql)
    assert (row["rate"], row["per"], row["max_running"]) == (None, None, None)


REFUSED: list[tuple[str, str, str, str]] = [
    ("''", "name", "''", "use letters, digits and . _ -"),
    ("null", "name", "NULL", "use letters, digits and . _ -"),
    ("'a b'", "name", "a b", "use letters, digits and . _ -"),
    ("'tenant:'", "name", "tenant:", "alone or with a colon and a key"),
    ("repeat('x', 10000)", "name", "xxx", "use letters"),
    ("'queue'", "name", "queue", "queue:mail"),
    ("'task'", "name", "task", "use letters"),
    ("'tenant:{tenant_id}'", "name", "tenant:{tenant_id}", "leave out the braces: the limit tenant applies to each key"),
    ("'k', rate => -1, per => '1 s'", "rate", "-1", "use a number above 0; 0 for no rate limit"),
    ("'k', rate => 'NaN', per => '1 s'", "rate", "NaN", "use a number above 0"),
    ("'k', rate => 'Infinity', per => '1 s'", "rate", "Infinity", "use a number above 0"),
    ("'k', rate => 5", "per", "NULL", "a rate needs one, for example 1 minute"),
    ("'k', per => '1 s'", "per", "00:00:01", "it belongs to a rate; give both"),
    ("'k', burst => 5, max_running => 2", "burst", "5", "it belongs to a rate; give one too"),
    ("'k', rate => 5, per => '0 s'", "per", "00:00:00", "use an interval above 0"),
    ("'k', rate => 5, per => '-1 s'", "per", "-00:00:01", "use an interval above 0"),
    ("'k', rate => 5, per => '1 month'", "per", "1 mon", "in seconds, minutes, hours or days"),
    ("'k', rate => 5, per => '1 year'", "per", "1 year", "in seconds, minutes, hours or days"),
    ("'k', rate => 5, per => '400 days'", "per", "400 days", "use an interval above 0"),
    ("'k', rate => 5, per => '1 s', burst => 0", "burst", "0", "use a number of 1 or more"),
    ("'k', rate => 5, per => '1 s', burst => 0.5", "burst", "0.5", "use a number of 1 or more"),
    ("'k', rate => 5, per => '1 s', burst => 'NaN'", "burst", "NaN", "use a number of 1 or more"),
    ("'k', rate => 5, per => '1 s', burst => 'Infinity'", "burst", "Infinity", "use a number of 1 or more"),
    ("'k', max_running => -1", "max_running", "-1", "use a number of 1 or more; 0 for no concurrency limit"),
    ("'k', rate => 9e-10, per => '1 s'", "rate", "9e-10 per 00:00:01", "use at least one in thirty years"),
    ("'k', rate => 2e9, per => '1 s'", "rate", "2000000000 per 00:00:01", "at most 1000000000 a second"),
    ("'queue:mail', max_running => 1, retry_blocks => true", "retry_blocks", "true", "the limit of a queue has no order to keep"),
    ("'k', weight => 0", "weight", "0", "use a whole number from 1 to 1000"),
    ("'k', weight => 1001", "weight", "1001", "use a whole number from 1 to 1000"),
]


@pytest.mark.one_case
@pytest.mark.parametrize(("args", "field", "value", "remedy"), REFUSED)
def test_a_limit_that_makes_no_sense_is_refused_by_name(
    rolled_back_sql: Sql, args: str, field: str, value: str, remedy: str
) -> None:
    refused = rolled_back_sql.refusal(f"select set_limit({args})")

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", field)
    said = str(refused.diag.message_primary)
    assert said.startswith(f"{field}: ")
    assert value in said
    assert remedy in said
    assert rolled_back_sql.rows("select from limit_def") == []


def test_a_refused_change_changes_nothing(rolled_back_sql: Sql) -> None:
    set_limit(rolled_back_sql, "k", rate=5, max_running=2)
    before = limit(rolled_back_sql)

    for args in ("rate => -1", "per => '0 s'", "burst => 0", "max_running => -1", "weight => 0"):
        rolled_back_sql.refusal(f"select set_limit('k', {args})")

    assert limit(rolled_back_sql) == before


def test_a_limit_of_a_name_holds_for_each_key_by_itself(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_limit(sql, "tenant", max_running=1)
    first, _ = add(sql, 2, "tenant:1")
    other, _ = add(sql, 2, "tenant:2")

    assert sorted(claimed(sql, sql.worker())) == sorted([first, other])


def test_a_key_with_a_limit_of_its_own_has_that_one_alone(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_limit(sql, "tenant", max_running=1, rate=1, per="1 h")
    set_limit(sql, "tenant:1", max_running=3)
    jobs = add(sql, 5, "tenant:1")

    assert claimed(sql, sql.worker()) == jobs[:3]
    finish_all(sql)
    assert claimed(sql, sql.worker()) == jobs[3:], "the rate of the name was kept"


def test_more_places_let_waiting_jobs_start_and_fewer_hold_up_the_next(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "k", max_running=1)
    jobs = add(sql, 6, "k")
    assert claimed(sql, worker) == jobs[:1]
    assert claimed(sql, worker) == []

    set_limit(sql, "k", max_running=3)
    assert claimed(sql, worker) == jobs[1:3]
    assert claimed(sql, worker) == []

    set_limit(sql, "k", max_running=1)
    for row in sql.rows("select id, claim_token from job where state = 'running' order by id limit 2"):
        assert claimed(sql, worker) == []
        sql.finish(row["claim_token"], {"id": row["id"], "state": "succeeded"})
    assert claimed(sql, worker) == [], "one runs still"
    finish_all(sql)
    assert claimed(sql, worker) == jobs[3:4]


def test_a_faster_rate_and_a_larger_burst_hold_for_what_waits(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "k", rate=1, per="1 h")
    jobs = add(sql, 30, "k")
    assert claimed(sql, worker) == jobs[:1]
    assert claimed(sql, worker) == []

    set_limit(sql, "k", rate=2, burst=5)
    pass_time(sql, 1.0)
    assert claimed(sql, worker) == jobs[1:3]
    pass_time(sql, 60)
    assert claimed(sql, worker) == jobs[3:8], "never more than the burst"


def test_a_slower_rate_and_a_smaller_burst_hold_from_the_next_claim_on(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "k", rate=10, burst=10)
    jobs = add(sql, 30, "k")
    assert claimed(sql, worker, 4) == jobs[:4]

    set_limit(sql, "k", rate=1, per="1 h", burst=2)

    assert claimed(sql, worker) == jobs[4:6]
    assert claimed(sql, worker) == []


@pytest.mark.parametrize(
    "change", [{"enabled": False}, {"rate": 0, "max_running": 0}, {"rate": 1000, "burst": 1000, "max_running": 1000}]
)
def test_a_limit_that_is_taken_off_lets_all_that_waits_start_and_holds_again_when_it_is_put_back(
    rolled_back_sql: Sql, change: dict[str, Any]
) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "k", rate=1, per="1 h", max_running=1)
    jobs = add(sql, 8, "k")
    assert claimed(sql, worker) == jobs[:1]
    assert claimed(sql, worker) == []

    set_limit(sql, "k", **change)
    pass_time(sql, 0.5)
    assert claimed(sql, worker, 4) == jobs[1:5]

    set_limit(sql, "k", enabled=True, rate=1, per="1 h", max_running=2, burst=1)
    assert claimed(sql, worker) == [], "those that run count, whenever they were claimed"


def test_it_wakes_the_queues_in_which_something_waits_for_it(sql: Sql) -> None:
    sql.listen()
    set_limit(sql, "k", max_running=1)
    for queue in ("a", "b"):
        add(sql, 3, "k", queue=queue)
    set_limit(sql, "other", max_running=1)
    add(sql, 1, "other", queue="c")
    worker = sql.worker()
    claimed(sql, worker, 10, ("a", "b"))
    claimed(sql, worker, 10, ("a", "b"))
    sql.wakes(sql)

    set_limit(sql, "k", max_running=5)

    assert sorted(set(sql.wakes(sql))) == ["a", "b"]


def test_one_that_must_exist_is_changed_and_never_made(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    call = "select set_limit(%s, max_running => %s, must_exist => true)"
    set_limit(sql, "openai", max_running=1)

    absent = sql.refusal(call, "openia", 2)
    sql.value(call, "openai", 2)

    assert (absent.sqlstate, absent.diag.column_name) == ("PQ003", "name")
    assert "there are: openai" in str(absent)
    assert sql.rows("select name, max_running from limit_def") == [{"name": "openai", "max_running": 2}]
