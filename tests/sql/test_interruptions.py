"""retire_worker counts the handlers that a stop cuts off: a job that hangs does not survive deploys for ever."""

from typing import Any
from uuid import UUID

import pytest

from .conftest import Sql
from .flows import node, start


def interrupted(sql: Sql, id: int, times: int = 1) -> dict[str, Any]:
    """So many workers run the job and stop in its middle; its row then."""
    for _ in range(times):
        worker = sql.worker()
        assert [row["id"] for row in sql.claim(worker)[1]] == [id]
        sql.rows("select retire_worker(%s, %s)", worker, [id])
    return sql.job(id)


def test_a_job_that_a_stop_cuts_off_counts_that_and_uses_up_no_attempt(rolled_back_sql: Sql) -> None:
    id = rolled_back_sql.enqueue(retries=0)

    job = interrupted(rolled_back_sql, id, 3)

    assert (job["state"], job["attempt"], job["rescues"], job["control"]) == ("ready", 0, 0, {"interrupted": 3})


def test_a_job_that_had_not_started_is_not_counted(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    started, waiting, worker = sql.enqueue(), sql.enqueue(), sql.worker()
    sql.claim(worker)

    back = sql.rows("select retire_worker(%s, %s) as id", worker, [started])

    assert {row["id"] for row in back} == {started, waiting}
    assert (sql.job(started)["control"], sql.job(waiting)["control"]) == ({"interrupted": 1}, None)


def test_a_job_of_another_worker_is_not_counted(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id, worker = sql.enqueue(), sql.worker()
    sql.claim(worker)

    sql.rows("select retire_worker(%s, %s)", sql.worker(), [id])

    assert (sql.state(id), sql.job(id)["control"]) == ("running", None)


@pytest.mark.parametrize("most", [1, 3])
def test_a_job_that_is_interrupted_too_often_is_a_suspect_and_then_a_dead_letter(rolled_back_sql: Sql, most: int) -> None:
    sql = rolled_back_sql
    sql.rows("update setting set max_interruptions = %s", most)
    id = sql.enqueue()

    assert most == 1 or interrupted(sql, id, most - 1)["rescues"] == 0
    suspect = interrupted(sql, id)
    assert (suspect["state"], suspect["rescues"]) == ("ready", 2)
    dead = interrupted(sql, id)

    assert (dead["state"], dead["reason"], dead["control"]) == ("failed", "worker_shutdown", {"interrupted": most + 1})
    assert dead["errors"][-1]["type"] == "WorkerShutdown"
    assert dead["errors"][-1]["message"].startswith(f"interrupted {most + 1} times")


def test_ten_interruptions_are_allowed(rolled_back_sql: Sql) -> None:
    id = rolled_back_sql.enqueue()

    assert interrupted(rolled_back_sql, id, 9)["rescues"] == 0
    assert interrupted(rolled_back_sql, id)["state"] == "ready"
    assert interrupted(rolled_back_sql, id)["state"] == "failed"


def test_a_dead_node_has_ended_for_what_waits_for_it(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.rows("update setting set max_interruptions = 1")
    flow = start(sql, node("a"), node("b", "a"), node("c", {"node": "a", "when": "failed"}, queue="after"))

    interrupted(sql, flow["a"], 2)

    assert flow.states() == {"a": "failed", "b": "skipped", "c": "ready"}


@pytest.mark.parametrize("blocks", [False, True])
def test_a_suspect_with_limits_stands_in_a_lane_apart_unless_the_order_counts(rolled_back_sql: Sql, blocks: bool) -> None:
    sql = rolled_back_sql
    sql.rows("update setting set max_interruptions = 1")
    sql.value("select set_limit('x', max_running => 1, retry_blocks => %s)", blocks)
    id = sql.enqueue(limits=["x"])
    lane = sql.value("select lane_id from job")

    interrupted(sql, id)

    assert (sql.value("select lane_id from job") == lane) == blocks
    dead = interrupted(sql, id)
    assert dead["state"] == "failed"
    other = sql.enqueue(limits=["x"])
    assert [row["id"] for row in sql.claim(sql.worker())[1]] == [other], "its place is not free"


def _claimed(sql: Sql, id: int) -> tuple[UUID, UUID]:
    worker = sql.worker()
    token, rows = sql.claim(worker)
    assert [row["id"] for row in rows] == [id]
    return worker, token


@pytest.mark.parametrize("state", ["failed", "snoozed", "rate_limited", "unknown_task"])
def test_an_attempt_that_ends_starts_the_count_again(rolled_back_sql: Sql, state: str) -> None:
    sql = rolled_back_sql
    id = sql.enqueue(retries=3)
    interrupted(sql, id, 5)
    _, token = _claimed(sql, id)

    sql.finish(token, {"id": id, "state": state, "delay": 60})

    assert sql.job(id)["control"] is None


def test_a_job_that_succeeds_keeps_the_count(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id = sql.enqueue()
    interrupted(sql, id, 2)
    _, token = _claimed(sql, id)

    sql.finish(token, {"id": id, "state": "succeeded"})

    assert sql.job(id)["control"] == {"interrupted": 2}


def test_a_job_that_was_asked_to_stop_is_cancelled_and_not_counted(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.rows("update setting set max_interruptions = 1")
    id = sql.enqueue()
    interrupted(sql, id)
    worker, _ = _claimed(sql, id)
    sql.value("select cancel(%s)", id)

    sql.rows("select retire_worker(%s, %s)", worker, [id])

    job = sql.job(id)
    assert (job["state"], job["control"]["interrupted"]) == ("cancelled", 1)


def test_a_retried_dead_letter_has_all_its_interruptions_again(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.rows("update setting set max_interruptions = 1")
    id = sql.enqueue()
    interrupted(sql, id, 2)

    sql.value("select id from retry(%s)", id)

    assert (sql.job(id)["rescues"], "interrupted" in sql.job(id)["control"]) == (0, False)
