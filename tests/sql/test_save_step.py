"""save_step, steps: what a job has done of its work is there for its next run."""

from collections.abc import Callable

import pytest

from . import step_guarantees as guarantees
from .conftest import Sql
from .step_guarantees import SAVE


@pytest.mark.parametrize("guarantee", [guarantees.a_stale_run_saves_no_step, guarantees.a_step_that_is_there_stays_as_it_is])
def test_steps_are_fenced_and_stay(rolled_back_sql: Sql, guarantee: Callable[[Sql], None]) -> None:
    guarantee(rolled_back_sql)


def test_a_job_is_nobody_elses_while_its_step_commits(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    guarantees.a_job_is_nobody_elses_while_its_step_commits(sql, another_sql)


def test_steps_come_in_the_order_in_which_they_were_done_with_their_times(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id, token = sql.running()
    for name, value in (("reserve", '{"seat": 4}'), ("charge", None), ("mail", "null")):
        assert sql.value(SAVE, id, token, name, value) is True

    steps = sql.rows("select *, ended_at - started_at = interval '0.5 s' as is_timed from steps(%s)", id)

    assert [(step["name"], step["value"], step["attempt"]) for step in steps] == [
        ("reserve", {"seat": 4}, 1),
        ("charge", None, 1),
        ("mail", None, 1),
    ]
    assert all(step["is_timed"] for step in steps)


def test_a_step_is_rolled_back_with_what_the_handler_wrote(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id, token = sql.running()

    with sql.connection.transaction(force_rollback=True):
        sql.value(SAVE, id, token, "charge", "1")

    assert sql.rows("select * from steps(%s)", id) == []


def test_a_dead_letter_that_is_retried_keeps_its_steps_and_a_new_job_has_none(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id, token = sql.running()
    sql.value(SAVE, id, token, "charge", "1")
    sql.finish(token, {"id": id, "state": "failed", "final": True})
    sql.value("select retry(%s)", id)
    assert sql.value("select value from steps(%s)", id) == 1

    sql.finish(sql.claim(sql.worker(), queues=(sql.job(id)["queue"],))[0], {"id": id, "state": "succeeded"})
    again = sql.value("select id from retry(%s)", id)
    assert (again != id, sql.rows("select * from steps(%s)", again)) == (True, [])


@pytest.mark.parametrize("name", ["", "x" * 201, None])
def test_a_name_that_is_none_is_refused(rolled_back_sql: Sql, name: str | None) -> None:
    id, token = rolled_back_sql.running()

    refused = rolled_back_sql.refusal(SAVE, id, token, name, None)

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", "name")


def test_a_job_has_a_thousand_steps_and_no_more(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id, token = sql.running()
    sql.rows(
        "insert into job_step select %s, 'step ' || n, null, clock_timestamp(), clock_timestamp(), 1 "
        "from generate_series(1, 999) n",
        id,
    )
    assert sql.value(SAVE, id, token, "step 1000", None) is True

    refused = sql.refusal(SAVE, id, token, "step 1001", None)

    assert refused.sqlstate == "PQ001"
    assert f"job {id} has 1,000 steps already" in str(refused)
    assert sql.value(SAVE, id, token, "step 7", None) is True


@pytest.mark.parametrize("elapsed", ["NaN", "Infinity", "-1", None])
def test_a_strange_time_is_no_reason_to_lose_a_step(rolled_back_sql: Sql, elapsed: str | None) -> None:
    sql = rolled_back_sql
    id, token = sql.running()

    assert sql.value("select save_step(%s, %s, 'charge', null, %s::float8)", id, token, elapsed) is True
