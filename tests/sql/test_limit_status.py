"""limit_status: a row a key, with what it has now."""

from datetime import timedelta
from typing import Any

import pytest

from .conftest import Sql
from .limit_steps import add, claimed, pass_time, set_limit


def status(sql: Sql, key: str = "k") -> dict[str, Any]:
    """The key's row."""
    (row,) = sql.rows("select * from limit_status where key = %s", key)
    return row


def test_a_limit_that_nobody_has_used_is_full(rolled_back_sql: Sql) -> None:
    set_limit(rolled_back_sql, "k", rate=60, per="1 m", burst=10, max_running=3)

    row = status(rolled_back_sql)

    assert (row["limit_name"], row["enabled"], row["rate"], row["per"]) == ("k", True, 60, timedelta(minutes=1))
    assert (row["burst"], row["max_running"], row["weight"], row["retry_blocks"]) == (10, 3, 1, False)
    assert (row["tokens"], row["used"], row["remaining"], row["burst_used"]) == (10, 0, 60, 0)
    assert (row["running"], row["waiting"], row["wait_seconds"], row["parked_until"]) == (0, 0, 0, None)


def test_it_says_what_was_used_what_runs_what_waits_and_when_there_is_a_token(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_limit(sql, "k", rate=60, per="1 h", burst=10)
    add(sql, 4, "k", cost=3)
    assert len(claimed(sql, sql.worker(), 3)) == 3

    row = status(sql)

    assert row["tokens"] == pytest.approx(1, abs=0.05)
    assert row["burst_used"] == pytest.approx(9, abs=0.05)
    assert (row["used"], row["remaining"], row["running"], row["waiting"]) == (9, 51, 3, 1)
    assert row["wait_seconds"] == 0

    claimed(sql, sql.worker())
    sql.rows("update job set cost = 1 where state = 'ready'")
    pass_time(sql, 0)
    sql.rows("update turn set key = null, due_at = clock_timestamp() where lane_id is not null")
    assert len(claimed(sql, sql.worker())) == 1
    assert status(sql)["tokens"] == pytest.approx(0, abs=0.05)
    assert status(sql)["wait_seconds"] == pytest.approx(60, abs=2)
    pass_time(sql, 30)
    assert status(sql)["wait_seconds"] == pytest.approx(30, abs=2)
    assert status(sql)["tokens"] == pytest.approx(0.5, abs=0.05)


def test_what_was_used_is_that_of_the_current_period(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_limit(sql, "k", rate=10, per="1 m", burst=10)
    add(sql, 8, "k")
    assert len(claimed(sql, sql.worker(), 4)) == 4
    assert status(sql)["used"] == 4

    pass_time(sql, 120)

    assert (status(sql)["used"], status(sql)["remaining"]) == (0, 10)


def test_keys_of_a_name_are_rows_of_their_own_and_say_whose_limit_they_have(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_limit(sql, "tenant", max_running=1)
    set_limit(sql, "tenant:2", max_running=7)
    for n in (1, 2):
        add(sql, 2, f"tenant:{n}")
    claimed(sql, sql.worker())

    rows = sql.rows("select key, limit_name, max_running, running, waiting from limit_status order by key")

    assert [tuple(row.values()) for row in rows] == [
        ("tenant", "tenant", 1, 0, 0),
        ("tenant:1", "tenant", 1, 1, 1),
        ("tenant:2", "tenant:2", 7, 2, 0),
    ]


def test_a_limit_with_keys_that_are_its_row_and_jobs_that_have_it_alone(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_limit(sql, "k", max_running=1)
    add(sql, 3, "k")
    claimed(sql, sql.worker())

    assert (status(sql)["running"], status(sql)["waiting"], status(sql)["tokens"]) == (1, 2, None)


def test_a_limit_of_a_queue_counts_all_its_jobs(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_limit(sql, "queue:mail", max_running=2)
    set_limit(sql, "k", max_running=9)
    add(sql, 3, queue="mail")
    add(sql, 2, "k", queue="mail")
    add(sql, 2, "k")
    claimed(sql, sql.worker(), 10, ("mail",))

    row = status(sql, "queue:mail")

    assert (row["running"], row["waiting"]) == (2, 3)


def test_a_key_that_is_parked_says_until_when(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_limit(sql, "k", rate=5)
    add(sql, 1, "k")
    until = sql.value("select clock_timestamp() + interval '1 h'")
    sql.value("select park('k', %s)", until)

    row = status(sql)

    assert row["parked_until"] == until
    assert row["wait_seconds"] == pytest.approx(3600, abs=5)


def test_a_limit_that_is_not_enabled_says_so_and_nobody_waits_for_it(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_limit(sql, "k", rate=1, per="1 h")
    add(sql, 2, "k")
    claimed(sql, sql.worker())
    set_limit(sql, "k", enabled=False)

    assert (status(sql)["enabled"], status(sql)["wait_seconds"] or 0) == (False, 0)


def test_a_key_whose_name_is_parked_says_until_when(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_limit(sql, "tenant", rate=1, burst=1)
    add(sql, 1, "tenant:1")
    until = sql.value("select clock_timestamp() + interval '1 h'")
    sql.value("select park('tenant', %s)", until)

    row = status(sql, "tenant:1")

    assert row["parked_until"] == until
    assert row["wait_seconds"] == pytest.approx(3600, abs=2)
