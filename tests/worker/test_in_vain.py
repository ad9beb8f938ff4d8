"""What a worker says at its start: a queue of its own that was misspelt, and queues that nobody serves."""

import pytest

from pgqueue import PgQueue
from tests.looking import Look

from .conftest import burst

LONG_AGO = "update job set run_at = run_at - interval '90 s'"


@pytest.fixture
def mail_app(async_app: PgQueue) -> PgQueue:
    """An app with a task in the queue mail and one in default."""

    @async_app.task(queue="mail")
    def welcome() -> None: ...

    @async_app.task
    def add() -> None: ...

    return async_app


async def _warned(caplog: pytest.LogCaptureFixture, app: PgQueue, **options: object) -> list[str]:
    """What a burst warns of, but for the superuser of the tests."""
    caplog.clear()
    await burst(app, **options)
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    return [line for line in told if "superuser" not in line]


async def test_a_queue_that_no_task_names_is_told_with_the_nearest(
    mail_app: PgQueue, look: Look, caplog: pytest.LogCaptureFixture
) -> None:
    mail_app.tasks["add"].enqueue()
    assert await _warned(caplog, mail_app, queues=(("mial", 1.0), ("mail", 1.0))) == [
        "queue 'mial': no task of the app names it, and no job is there or was lately; jobs are ready in 'default'; "
        "did you mean 'mail'?"
    ]
    look.rows("delete from job")
    assert await _warned(caplog, mail_app, queues=(("reports", 1.0),)) == [
        "queue 'reports': no task of the app names it, and no job is there or was lately; its tasks are in 'default', 'mail'"
    ]


async def test_a_queue_with_jobs_is_not_misspelt_although_no_task_names_it(
    mail_app: PgQueue, caplog: pytest.LogCaptureFixture
) -> None:
    mail_app.tasks["add"].using(queue="special").enqueue()
    assert await _warned(caplog, mail_app, queues=(("special", 1.0),)) == []


async def test_a_queue_with_old_jobs_that_nobody_serves_is_told(
    mail_app: PgQueue, look: Look, caplog: pytest.LogCaptureFixture
) -> None:
    mail_app.tasks["welcome"].enqueue()
    assert await _warned(caplog, mail_app, queues=(("default", 1.0),)) == [], "its worker may be starting"
    look.rows(LONG_AGO)

    (told,) = await _warned(caplog, mail_app, queues=(("default", 1.0),))

    assert told.startswith("jobs have been ready since 2")
    assert told.endswith(" UTC: no worker is alive that serves queue 'mail'; 1 other worker is alive, for 'default'")
    assert await _warned(caplog, mail_app) == [], "this one serves it"


async def test_a_task_that_only_others_may_know_is_no_queue_that_nobody_serves(
    mail_app: PgQueue, look: Look, caplog: pytest.LogCaptureFixture
) -> None:
    mail_app.tasks["welcome"].enqueue()
    look.rows("update job set task = 'gone', run_at = run_at - interval '90 s'")
    assert [line for line in await _warned(caplog, mail_app) if "jobs have been ready" in line] == []


async def test_of_many_queues_the_first_five_are_told(mail_app: PgQueue, look: Look, caplog: pytest.LogCaptureFixture) -> None:
    for n in range(8):
        mail_app.tasks["add"].using(queue=f"q{n}").enqueue()
    look.rows(LONG_AGO)
    told = await _warned(caplog, mail_app)
    assert (len(told), told[-1]) == (6, "other queues have ready jobs and no worker, too; see pgqueue stats")


async def test_a_worker_starts_although_the_look_takes_too_long(
    mail_app: PgQueue, look: Look, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgqueue.worker.in_vain.LOOK_WITHIN", 0.2)
    look.rows("alter function unserved rename to unserved_now")
    look.rows(
        "create function unserved(after interval, most int) returns table (queue text, task text, job_id int, since text, "
        "says text, details text) language plpgsql as $$ begin perform pg_sleep(60); end $$"
    )
    job = mail_app.tasks["add"].enqueue()
    await burst(mail_app)
    assert job.refresh().status == "succeeded"


async def test_a_task_that_the_app_does_not_have_is_told_with_the_nearest(
    mail_app: PgQueue, look: Look, caplog: pytest.LogCaptureFixture
) -> None:
    look.rows("select enqueue('welcom', queue => 'mail'), enqueue('zip', queue => 'mail')")
    assert sorted(await _warned(caplog, mail_app)) == [
        "no task 'welcom' here; its jobs wait for a worker that has it; did you mean 'welcome'?",
        "no task 'zip' here; its jobs wait for a worker that has it. Is the name correct, and is its module imported?",
    ]
