"""has_work: whether a burst is over."""

from datetime import timedelta

from .conftest import Sql


def test_ready_and_running_jobs_are_work(sql: Sql) -> None:
    empty = sql.value("select has_work('{default}')")
    sql.enqueue()
    ready = sql.value("select has_work('{default}')")
    sql.claim(sql.worker())
    running = sql.value("select has_work('{default}')")

    assert (empty, ready, running) == (False, True, True)


def test_scheduled_and_finished_jobs_do_not_hold_a_burst_open(sql: Sql) -> None:
    sql.enqueue()
    sql.enqueue(run_after=timedelta(hours=1))
    claim, (job,) = sql.claim(sql.worker())
    sql.finish(claim, {"id": job["id"], "state": "succeeded"})

    assert sql.value("select has_work('{default}')") is False


def test_a_suspect_is_work(sql: Sql) -> None:
    sql.rows("update job set rescues = 2 where id = %s", sql.enqueue())

    assert sql.value("select has_work('{default}')") is True


def test_only_the_workers_own_queues_count(sql: Sql) -> None:
    sql.enqueue(queue="mail")

    assert sql.value("select has_work('{default,other}')") is False
    assert sql.value("select has_work('{default,mail}')") is True
