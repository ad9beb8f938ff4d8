"""FAULTS 3 and 50 at the level of the worker: a lease that ends while its worker goes on."""

import asyncio
from typing import Any

import pytest

from pgqueue import JobContext, PgQueue
from pgqueue.worker.liveness import Liveness
from tests.faults.audit import Audit, Findings
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.conftest import new_worker, working

LEASE = 1


class Deaf(Liveness):
    """A worker whose heartbeats do not get through from a moment on."""

    cut_off = False

    def _beat(self, connection: Any) -> None:
        if not Deaf.cut_off:
            super()._beat(connection)


class DeafAndCareless(Deaf):
    """The mutant: it does not look at its own lease either."""

    def check_lease(self) -> None:
        pass


async def _overlaps(database_url: str, look: Look, monkeypatch: pytest.MonkeyPatch, kind: type[Deaf]) -> Any:
    """Cut off a worker that runs a job longer than its lease, beside one that works; what becomes of the job."""
    finish = asyncio.Event()
    audit = Audit(database_url)
    first, second = PgQueue(database_url, lease=LEASE), PgQueue(database_url, lease=LEASE)

    @first.task(name="work")
    async def work(ctx: JobContext) -> str:
        async with audit.run(ctx):
            await finish.wait()
        return "first"

    @second.task(name="work")
    async def work_again(ctx: JobContext) -> str:
        async with audit.run(ctx):
            finish.set()
            await asyncio.sleep(0.3)
        return "second"

    job = work.enqueue()
    Deaf.cut_off = False
    with monkeypatch.context() as patch:
        patch.setattr("pgqueue.worker.heart.Liveness", kind)
        cut_off = new_worker(first)
        run = asyncio.create_task(cut_off.run())
        await auntil(lambda: look.value("select count(*) from audit.run") == 1, "the first run")
    monkeypatch.setattr(cut_off._parts.slots, "room", asyncio.Event().wait)  # nor do its claims get through
    monkeypatch.setattr(cut_off._parts.slots, "fence", lambda jobs: None)  # nor does it hear that its job was taken away
    async with working(second):
        await auntil(lambda: look.value("select count(*) from worker where wake_mode = 'notify'") == 2, "both workers")
        Deaf.cut_off = True
        await auntil(lambda: look.state(job.id) == "succeeded", "the job")
        await auntil(lambda: not cut_off._parts.finisher.unflushed(), "the outcome of the first run, if any")
        await asyncio.sleep(0.1)
    Deaf.cut_off = False
    cut_off.stop()
    await run
    await audit.close()
    result = look.value("select value from job_result where job_id = %s", job.id)
    for app in (first, second):
        app.close()
    return result, cut_off._parts.finisher.counts["stale"]


async def test_a_worker_that_is_cut_off_drops_its_job_before_another_starts_it(
    database_url: str, look: Look, findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, stale = await _overlaps(database_url, look, monkeypatch, Deaf)
    assert (result, stale) == ("second", 0)
    findings.assert_no_overlap()
    assert look.value("select count(*) from audit.run where ended_at is null") == 1, "the first run was not dropped"


async def test_without_self_fencing_the_runs_would_overlap_and_the_fence_still_holds(
    database_url: str, look: Look, findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutant of FAULTS 50: the check above turns red, and the late outcome is stale all the same."""
    result, stale = await _overlaps(database_url, look, monkeypatch, DeafAndCareless)
    with pytest.raises(AssertionError, match="two places at once"):
        findings.assert_no_overlap()
    assert (result, stale) == ("second", 1)
