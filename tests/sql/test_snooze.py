"""snooze, and outcomes that do not count: snoozed, unknown_task."""

from .conftest import Sql


def test_a_snoozed_job_waits_and_its_attempt_does_not_count(sql: Sql) -> None:
    id, token = sql.running(retries=0)

    assert sql.value("select snooze(%s, %s, 60)", id, token) == "scheduled"

    job = sql.job(id)
    assert (job["state"], job["attempt"], job["errors"], job["worker_id"]) == ("scheduled", 0, None, None)
    assert 50 < sql.value("select extract(epoch from run_at - clock_timestamp()) from job") <= 60


def test_a_job_may_snooze_for_ever_and_then_succeed(sql: Sql) -> None:
    id = sql.enqueue(retries=0)
    worker = sql.worker()

    for _ in range(50):
        token, _ = sql.claim(worker)
        sql.value("select snooze(%s, %s, 0)", id, token)
    token, _ = sql.claim(worker)
    sql.value("select complete(%s, %s)", id, token)

    assert (sql.state(id), sql.job(id)["attempt"]) == ("succeeded", 1)


def test_snooze_by_a_stale_token_says_so(sql: Sql) -> None:
    id, token = sql.running()
    sql.value("select give_back(%s, %s)", token, [id])

    assert sql.value("select snooze(%s, %s, 60)", id, token) == "stale"


def test_a_job_of_an_unknown_task_waits_longer_each_time_up_to_a_minute(sql: Sql) -> None:
    id = sql.enqueue(retries=0)
    worker = sql.worker()
    waits = []
    for seconds_unknown in (0, 5, 10, 20, 40, 80, 1000):
        sql.rows("update job set unknown_since = clock_timestamp() - make_interval(secs => %s) "
                 "where unknown_since is not null", seconds_unknown)  # fmt: skip
        token, _ = sql.claim(worker)
        sql.finish(token, {"id": id, "state": "unknown_task"})
        waits.append(round(float(sql.value("select extract(epoch from run_at - clock_timestamp()) from job"))))
        sql.make_due()
        sql.value("select promote()")

    assert waits == [5, 5, 10, 20, 40, 60, 60]
    assert sql.job(id)["attempt"] == 0


def test_a_job_is_flagged_while_no_worker_knows_its_task(sql: Sql) -> None:
    id, token = sql.running()
    sql.finish(token, {"id": id, "state": "unknown_task"})
    flagged = sql.job(id)["unknown_since"]
    sql.make_due()
    sql.value("select promote()")

    token, _ = sql.claim(sql.worker(), queues=(sql.job(id)["queue"],))
    sql.finish(token, {"id": id, "state": "snoozed", "delay": 0})

    assert flagged is not None
    assert sql.job(id)["unknown_since"] is None
