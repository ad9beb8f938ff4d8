"""cancel: a job that has not started never will."""

from datetime import timedelta

from .conftest import Sql


def test_a_cancelled_job_is_in_the_history_with_all_that_was_asked_of_it(sql: Sql) -> None:
    id = sql.enqueue("send", {"to": 1}, queue="mail", priority=5, retries=1, meta="1", run_after=timedelta(hours=1))

    sql.value("select cancel(%s)", id)

    job = sql.job(id)
    assert (job["state"], job["reason"], job["attempt"], job["worker_id"]) == ("cancelled", "user_requested", 0, None)
    assert (job["task"], job["args"], job["queue"], job["priority"], job["max_attempts"]) == ("send", {"to": 1}, "mail", 5, 2)
    assert job["finished_at"] >= job["created_at"]
    assert sql.value("select count(*) from job") == 0


def test_a_job_waiting_for_its_retry_can_be_cancelled_and_keeps_its_errors(sql: Sql) -> None:
    id, token = sql.running()
    sql.finish(token, {"id": id, "state": "failed", "error": {"type": "E"}})

    sql.value("select cancel(%s)", id)

    assert sql.state(id) == "cancelled"
    assert sql.job(id)["errors"][0]["type"] == "E"


def test_a_running_job_is_not_cancelled_and_the_error_says_so(sql: Sql) -> None:
    id, _ = sql.running()

    refused = sql.refusal("select cancel(%s)", id)

    assert refused.sqlstate == "PQ004"
    assert str(refused.diag.message_primary) == f"job_id: job {id} is running; only a job that has not started can be cancelled"


def test_an_unknown_job_is_named(sql: Sql) -> None:
    refused = sql.refusal("select cancel(4711)")

    assert refused.sqlstate == "PQ003"
    assert "there is no job 4711" in str(refused)


def test_a_cancel_that_is_rolled_back_leaves_the_job_ready(sql: Sql) -> None:
    id = sql.enqueue()

    with sql.connection.transaction(force_rollback=True):
        sql.value("select cancel(%s)", id)

    assert sql.state(id) == "ready"
