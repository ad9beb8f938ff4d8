"""job.explain: the causes as values."""

import asyncio
from dataclasses import FrozenInstanceError, fields

import pytest

from pgqueue import Cause, JobNotFound, PgQueue
from pgqueue.worker import Worker, WorkerOptions


async def test_causes_are_the_same_in_sync_and_async_code(app: PgQueue) -> None:
    job = app.task(name="noop")(lambda: None).using(run_after=3600).enqueue()

    causes = job.explain()

    assert [cause.cause for cause in causes] == ["later", "no_worker"]
    later = causes[0]
    assert later.until is not None
    assert later.says == f"it waits for its time, until {later.until:%Y-%m-%d %H:%M:%S} UTC (in 1 h)"
    assert later.details["run_at"] == later.until.isoformat()
    assert [cause.cause for cause in await job.aexplain()] == ["later", "no_worker"]
    assert [field.name for field in fields(Cause)] == ["cause", "says", "until", "details"]
    with pytest.raises(FrozenInstanceError):
        later.cause = "other"  # type: ignore[misc]


def test_a_job_that_is_not_there_is_an_error(app: PgQueue) -> None:
    with pytest.raises(JobNotFound, match="there is no job 77"):
        app.job(77).explain()


def test_a_worker_says_which_tasks_it_knows(app: PgQueue) -> None:
    told: list[Cause] = []

    @app.task
    async def look(job_id: int) -> None:
        told.extend(await app.job(job_id).aexplain())

    elsewhere = PgQueue(app.url)
    lost = elsewhere.task(name="lok")(lambda: None).using(run_after=3600).enqueue()
    elsewhere.close()
    look.enqueue(lost.id)

    asyncio.run(Worker(app, WorkerOptions(burst=True, handle_signals=False)).run())

    assert [cause.cause for cause in told] == ["later", "unknown_task"]
    assert "workers alive of queue 'default' know 'look'" in told[1].says
