"""retry: a job runs again, now."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from .conftest import Sql


def test_a_dead_letter_runs_again_under_its_own_id_with_all_its_attempts_and_its_errors(sql: Sql) -> None:
    id, token = sql.running(retries=0, args={"to": 1}, meta="1")
    sql.finish(token, {"id": id, "state": "failed", "error": {"type": "E", "message": "m"}})

    assert sql.value("select id from retry(%s)", id) == id

    job = sql.job(id)
    assert (job["state"], job["attempt"], job["rescues"], job["max_attempts"]) == ("ready", 1, 0, 2)
    assert (job["args"], job["meta"], job["errors"][0]["message"]) == ({"to": 1}, 1, "m")
    assert sql.value("select count(*) from dead_letter") == 0


def test_attempts_are_numbered_once_however_often_a_job_comes_back(sql: Sql) -> None:
    worker = sql.worker()
    id = sql.enqueue(retries=1, retry='{"backoff": "fixed", "delay": 0}')
    claimed = []
    for life in range(3):
        for _ in range(2):
            token, (row,) = sql.claim(worker)
            claimed.append((row["attempt"], row["max_attempts"]))
            sql.finish(token, {"id": id, "state": "failed", "error": {"type": "E", "message": "m"}})
            sql.value("select promote()")
        if life < 2:
            sql.value("select id from retry(%s)", id)

    job = sql.job(id)
    assert claimed == [(1, 2), (2, 2), (3, 4), (4, 4), (5, 6), (6, 6)]
    assert [error["attempt"] for error in job["errors"]] == [1, 2, 3, 4, 5, 6]
    assert (job["state"], job["attempt"], job["max_attempts"]) == ("failed", 6, 6)
    assert "in attempt 6 of 6" in sql.value("select says from explain(%s)", id)
    assert sql.value("select attempt from dead_letters") == 6
    assert sql.value("select attempt from list_jobs('{}')") == 6
    assert sql.value("select attempt from watch(%s)", id) == 6


def test_the_policy_of_the_retries_begins_again_with_a_retry_by_hand(sql: Sql) -> None:
    worker = sql.worker()
    id = sql.enqueue(retries=1, retry='{"backoff": "linear", "delay": 100, "step": 1000, "jitter": false}')
    for _ in range(2):
        token, _rows = sql.claim(worker)
        sql.finish(token, {"id": id, "state": "failed", "delay": 0, "error": {"type": "E", "message": "m"}})
        sql.value("select promote()")
    sql.value("select id from retry(%s)", id)

    token, _rows = sql.claim(worker)
    sql.finish(token, {"id": id, "state": "failed", "error": {"type": "E", "message": "m"}})

    assert sql.value("select extract(epoch from run_at - put_off_at)::int from job where id = %s", id) == 100


def test_a_new_job_for_one_that_is_over_counts_its_attempts_from_the_first(sql: Sql) -> None:
    id, token = sql.running(retries=0)
    queue = sql.job(id)["queue"]
    sql.finish(token, {"id": id, "state": "failed", "error": {"type": "E", "message": "m"}})
    sql.value("select id from retry(%s)", id)
    token, (second,) = sql.claim(sql.worker(), queues=(queue,))
    sql.finish(token, {"id": id, "state": "succeeded"})

    again = sql.value("select id from retry(%s)", id)

    _, (new,) = sql.claim(sql.worker(), queues=(queue,))
    assert (second["attempt"], new["id"], new["attempt"], new["max_attempts"]) == (2, again, 1, 1)


@pytest.mark.parametrize("state", ["succeeded", "cancelled"])
def test_a_finished_job_runs_again_as_a_new_job_that_names_it(sql: Sql, state: str) -> None:
    id, token = sql.running(args={"to": 1}, priority=7, result_ttl=timedelta(hours=1), retry='{"jitter": false}')
    sql.finish(token, {"id": id, "state": state})

    again = sql.value("select id from retry(%s)", id)

    (new,) = sql.rows("select * from job where id = %s", again)
    assert again != id
    assert (new["retry_of"], new["state"], new["attempt"], new["errors"]) == (id, "ready", 0, None)
    assert (new["args"], new["priority"], new["result_ttl"]) == ({"to": 1}, 7, timedelta(hours=1))
    assert new["retry"] == {"jitter": False}
    assert sql.state(id) == state


def test_a_waiting_job_does_not_wait_any_longer(sql: Sql) -> None:
    id = sql.enqueue(run_after=timedelta(hours=1))

    assert sql.value("select id from retry(%s)", id) == id

    assert [row["id"] for row in sql.claim(sql.worker())[1]] == [id]


def test_a_retried_job_wakes_the_workers_of_its_queue(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    worker = another_sql()
    worker.listen()
    id = sql.enqueue(queue="mail", run_after=timedelta(hours=1))

    sql.value("select id from retry(%s)", id)

    assert worker.wakes(sql) == ["mail"]


def test_a_job_that_is_about_to_run_anyway_is_not_retried_and_the_error_says_so(sql: Sql) -> None:
    id = sql.enqueue()

    refused = sql.refusal("select id from retry(%s)", id)

    assert refused.sqlstate == "PQ004"
    assert f"job {id} is ready; only a job that waits for its time or is over can be retried" in str(refused)


def test_an_unknown_job_is_named(sql: Sql) -> None:
    refused = sql.refusal("select id from retry(4711)")

    assert refused.sqlstate == "PQ003"
    assert "there is no job 4711" in str(refused)
