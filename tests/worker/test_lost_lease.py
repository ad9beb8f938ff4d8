"""A worker whose lease is lost: it notices, drops everything, goes on under a new id, and nothing stale counts."""

import asyncio
import threading
from collections.abc import Iterator
from typing import cast
from uuid import UUID, uuid4

import psycopg
import pytest

from pgqueue import JobContext, PgQueue, Snooze
from pgqueue.database.connection import OwnConnection
from pgqueue.database.statement import Statements
from pgqueue.worker import Worker
from pgqueue.worker.liveness import Liveness, now
from pgqueue.worker.membership import Membership
from pgqueue.worker.signals import Alarm
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.conftest import working

MARK_LOST = "update worker set state = 'lost', heartbeat_at = now() - interval '1 hour'"


@pytest.fixture
def short(database_url: str) -> PgQueue:
    """An app with the shortest lease there is."""
    return PgQueue(database_url, lease=1)


def _counts(worker: Worker) -> dict[str, int]:
    return worker._parts.finisher.counts


async def test_a_lost_worker_drops_its_jobs_starts_anew_and_they_run_again(short: PgQueue, look: Look) -> None:
    runs: list[str] = []
    dropped: list[str] = []

    @short.task
    async def work(ctx: JobContext) -> str:
        runs.append(ctx.token)
        if len(runs) == 1:
            try:
                await asyncio.sleep(60)
            finally:
                dropped.append(ctx.token)
        return "second"

    job = work.enqueue()
    async with working(short) as worker:
        await auntil(lambda: runs, "the first run")
        before = look.value("select id from worker")
        look.value(MARK_LOST)
        await auntil(lambda: look.state(job.id) == "succeeded", "the second run")
        assert look.value("select id from worker where state = 'active'") != before
        assert dropped == runs[:1]
        assert len(set(runs)) == 2
        assert _counts(worker)["stale"] == 0
    assert await short.job(job.id).aresult(timeout=0) == "second"
    await short.aclose()


async def test_a_worker_takes_no_job_that_it_has_claimed_under_an_id_that_is_lost(
    app: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[UUID] = []
    real = Membership.is_current

    def is_current(membership: Membership, id: UUID) -> bool:
        asked.append(id)
        return real(membership, id)

    monkeypatch.setattr(Membership, "is_current", is_current)

    @app.task
    async def noop() -> None: ...

    job = noop.enqueue()
    async with working(app) as worker:
        await auntil(lambda: look.state(job.id) == "succeeded", "the job")
        assert set(asked) == {worker._parts.membership.id}
        assert not real(worker._parts.membership, uuid4())
        worker._parts.membership._registered.clear()
        assert not real(worker._parts.membership, worker._parts.membership.id)
        worker._parts.membership._registered.set()


@pytest.mark.parametrize("ends", ["returns", "raises", "snoozes"])
async def test_what_a_stale_run_returns_changes_nothing(short: PgQueue, look: Look, ends: str) -> None:
    """FAULTS 3, at the level of the worker: a handler that does not listen to being cancelled, beside its successor."""
    runs: list[str] = []
    first_may_end, second_may_end = asyncio.Event(), asyncio.Event()

    @short.task
    async def stubborn(ctx: JobContext) -> object:
        runs.append(ctx.token)
        if len(runs) > 1:
            await second_may_end.wait()
            return "valid"
        while not first_may_end.is_set():
            try:
                await first_may_end.wait()
            except asyncio.CancelledError:
                continue
        if ends == "raises":
            raise ValueError
        return Snooze(3600) if ends == "snoozes" else "stale"

    job = stubborn.enqueue()
    async with working(short) as worker:
        try:
            await auntil(lambda: runs, "the first run")
            look.value(MARK_LOST)
            await auntil(lambda: len(runs) == 2, "the second run")
            before = look.rows("select * from jobs")
            first_may_end.set()
            await auntil(lambda: _counts(worker)["stale"] == 1, "the stale outcome")
            assert look.rows("select * from jobs") == before
            assert before[0]["state"] == "running"
        finally:
            first_may_end.set()
            second_may_end.set()
        await auntil(lambda: look.state(job.id) == "succeeded", "the end of the second run")
    assert await short.job(job.id).aresult(timeout=0) == "valid"
    await short.aclose()


async def test_a_worker_fences_itself_when_its_heartbeats_fail(
    short: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it a handler would run on beside the one that replaces it; see the mutant in tests/faults."""
    dropped: list[bool] = []
    started = asyncio.Event()

    @short.task
    async def work() -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            dropped.append(True)

    work.enqueue()
    async with working(short):
        await started.wait()
        look.value("update worker set lease = '1 hour'")  # so the database will not tell it
        monkeypatch.setattr(Liveness, "_beat", lambda self, connection: None)
        await auntil(lambda: dropped, "the end of the handler")
        monkeypatch.undo()
    await short.aclose()


async def test_a_lease_is_given_up_a_tenth_before_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    lost: list[UUID] = []
    loop, id = asyncio.get_running_loop(), uuid4()
    liveness = Liveness("", cast(Statements, None), 10.0, loop, Alarm(), [], list, lost.append, lambda: None)
    liveness.adopt(id, since=100.0)
    for moment, times in ((108.9, 0), (109.1, 1), (109.2, 1)):
        monkeypatch.setattr("pgqueue.worker.liveness.now", lambda moment=moment: moment)
        liveness.check_lease()
        await asyncio.sleep(0)
        assert lost == [id] * times


async def test_a_handler_that_blocks_the_loop_keeps_its_lease_and_is_remarked_on(
    short: PgQueue, look: Look, caplog: pytest.LogCaptureFixture
) -> None:
    """FAULTS 10, in one process."""
    runs: list[int] = []

    @short.task
    async def block(ctx: JobContext) -> None:
        runs.append(ctx.attempt)
        threading.Event().wait(3)  # three leases, on the event loop

    job = block.enqueue()
    async with working(short):
        await auntil(lambda: look.state(job.id) == "succeeded", "the job")
    assert runs == [1]
    assert look.rows("select * from rescue_log") == []
    assert f"s by job {job.id} (task {block.name!r}); define blocking handlers with `def`" in caplog.text
    assert job.id in [getattr(record, "job_id", None) for record in caplog.records]
    await short.aclose()


@pytest.mark.parametrize(
    "harm",
    [
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgqueue liveness'",
        "alter function heartbeat rename to heartbeat_away",
    ],
    ids=["its connection is killed", "its function is not there for a moment"],
)
async def test_heartbeats_go_on_after_a_failure(short: PgQueue, look: Look, harm: str) -> None:
    short.task(name="nothing")(lambda: None)

    def beat() -> object:
        return look.value("select max(heartbeat_at) from worker")

    async with working(short):
        await auntil(lambda: look.value("select count(*) from worker where wake_mode = 'notify'"), "a worker that listens")
        look.connection.execute(harm.encode())
        if "rename" in harm:
            await asyncio.sleep(0.5)  # more than a third of the lease: at least one heartbeat failed
            look.value("alter function heartbeat_away rename to heartbeat")
        harmed = beat()
        await auntil(lambda: beat() != harmed, "another heartbeat")
        again = beat()
        await auntil(lambda: beat() != again, "and another")
    await short.aclose()


async def test_a_worker_row_that_is_gone_is_a_lost_lease_too(short: PgQueue, look: Look) -> None:
    short.task(name="nothing")(lambda: None)
    async with working(short):
        before = await auntil(lambda: look.value("select id from worker"), "the worker")
        look.value("delete from worker")
        after = await auntil(lambda: look.value("select id from worker where state = 'active'"), "the worker again")
        assert after != before
    assert look.rows("select * from worker where state = 'active'") == []
    await short.aclose()


async def test_jobs_of_a_lost_claim_reply_are_given_back(short: PgQueue, look: Look) -> None:
    """A claim that committed although its reply never came: they run under the worker, and it does not know of them."""
    ran: list[int] = []

    @short.task
    async def work(ctx: JobContext) -> None:
        ran.append(ctx.attempt)

    async with working(short):
        worker = await auntil(lambda: look.value("select id from worker where wake_mode = 'notify'"), "a worker")
        job = look.value("select enqueue('work', notify => false)")
        look.value("select id from claim(%s, gen_random_uuid(), '{default}', 1)", worker)
        await auntil(lambda: look.state(job) == "succeeded", "the job")
    assert ran == [1]
    await short.aclose()


async def test_a_heartbeat_that_is_due_loses_no_wake_up_that_came_in_the_same_packet() -> None:
    alarm = Alarm()
    liveness = Liveness("", cast(Statements, None), 0.003, asyncio.get_running_loop(), alarm, ["mine"], list, print, lambda: None)

    class Packet:
        def notifies(self, timeout: float) -> Iterator[psycopg.Notify]:
            due = now() + 0.003
            while now() < due:
                pass
            liveness.stop()
            yield psycopg.Notify("channel", "another's", 1)
            yield psycopg.Notify("channel", "mine", 1)

    await asyncio.to_thread(liveness._serve, cast(OwnConnection, Packet()))
    assert await alarm.wait(1.0)
