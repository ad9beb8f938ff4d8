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


def test_what_is_due_is_work_before_it_is_promoted_unless_it_is_paused_or_of_another_queue(sql: Sql) -> None:
    id = sql.enqueue(run_after=timedelta(hours=1))
    sql.rows("update job set run_at = clock_timestamp() - interval '1 s' where id = %s", id)
    of_each = [sql.value("select has_work('{default}')"), sql.value("select has_work('{other}')")]
    sql.value("select pause('queue', 'default')")
    of_each.append(sql.value("select has_work('{default}')"))

    assert of_each == [True, False, False]


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
