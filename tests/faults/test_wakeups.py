"""FAULTS 22, 23 and 25: an idle worker hears of a job, whatever happens to its listener and however enqueues commit."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue, Task
from pgqueue.worker import claim
from pgqueue.worker.liveness import Liveness
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.conftest import working

AT_ONCE = 0.05  # seconds from commit to start for an idle worker whose listener is up
ALWAYS = 1.2  # seconds, whatever happened
NOISE = 0.6  # seconds a busy machine may add; far less than a missed wake-up costs on average


class Starts:
    """When jobs started."""

    def __init__(self) -> None:
        self.at: list[float] = []

    async def next_after(self, since: float) -> float:
        """Seconds from a moment to the next start that was not looked at yet."""
        await auntil(lambda: self.at, "a start")
        return self.at.pop(0) - since


@pytest.fixture
def starts() -> Starts:
    return Starts()


@pytest.fixture
async def ping(app: PgQueue, starts: Starts) -> AsyncIterator[Task[[], None]]:
    """A task that notes when it starts."""

    @app.task
    async def ping() -> None:
        starts.at.append(time.monotonic())

    yield ping
    await app.aclose()


async def _listening(look: Look) -> None:
    await auntil(lambda: look.value("select count(*) from worker where wake_mode = 'notify'"), "a worker that listens")
    await asyncio.sleep(0.1)  # its first claims are over: it is idle


async def test_an_idle_worker_starts_a_job_at_once(app: PgQueue, ping: Task[[], None], look: Look, starts: Starts) -> None:
    waits = []
    async with working(app):
        await _listening(look)
        for _ in range(20):
            await ping.aenqueue()
            waits.append(await starts.next_after(time.monotonic()))
            await asyncio.sleep(0.04)  # idle again, its trailing looks over
    assert sorted(waits)[15] < AT_ONCE, waits  # three quarters of them: the machine may be busy


async def test_a_job_enqueued_while_the_listener_is_dead_starts_within_the_backstop(
    app: PgQueue, ping: Task[[], None], look: Look, starts: Starts
) -> None:
    kill = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgqueue liveness'"
    async with working(app):
        for _ in range(2):
            await _listening(look)
            look.connection.execute(kill.encode())
            since = time.monotonic()
            await ping.aenqueue()
            assert await starts.next_after(since) < ALWAYS + NOISE


async def test_a_job_committed_between_listen_and_the_first_poll_starts_at_once(
    app: PgQueue, ping: Task[[], None], look: Look, starts: Starts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a notification reaches a listener that is not serving yet; the poll after LISTEN finds the job."""
    listen = Liveness._listen
    enqueued: list[float] = []

    def listen_and_enqueue(self: Liveness, connection: psycopg.Connection[Any]) -> None:
        execute = connection.execute

        def spy(query: Any, *args: Any, **kwargs: Any) -> Any:
            answer = execute(query, *args, **kwargs)
            if not enqueued and "listen" in str(query).lower():
                look.value("select enqueue('ping', notify => false)")
                enqueued.append(time.monotonic())
            return answer

        monkeypatch.setattr(connection, "execute", spy)
        listen(self, connection)

    async with working(app):
        await _listening(look)
        monkeypatch.setattr(claim, "BACKSTOP", 60.0)
        monkeypatch.setattr(Liveness, "_listen", listen_and_enqueue)
        look.value("select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'pgqueue liveness'")
        await auntil(lambda: enqueued, "the listener's return")
        assert await starts.next_after(enqueued[0]) < ALWAYS


async def _commit_within_the_window(
    app: PgQueue, ping: Task[[], None], look: Look, starts: Starts, connect: Callable[..., psycopg.Connection[Any]], rounds: int
) -> list[float]:
    """FAULTS 23: A wakes the worker, which looks; B, which did not notify, commits just after that look."""
    waits = []
    b = connect(autocommit=False)
    async with working(app):
        await _listening(look)
        for _ in range(rounds):
            b.execute("select enqueue('ping', notify => false)")
            await ping.aenqueue()
            await starts.next_after(0)
            b.commit()
            waits.append(await starts.next_after(time.monotonic()))
            await asyncio.sleep(0.05)
    return waits


async def test_a_job_committed_after_the_look_of_its_window_s_wake_up_starts_at_once(
    app: PgQueue, ping: Task[[], None], look: Look, starts: Starts, connect: Callable[..., psycopg.Connection[Any]]
) -> None:
    waits = await _commit_within_the_window(app, ping, look, starts, connect, rounds=6)
    assert sorted(waits)[3] < AT_ONCE + 0.002, waits


async def test_without_the_trailing_looks_that_job_would_start_late(
    app: PgQueue,
    ping: Task[[], None],
    look: Look,
    starts: Starts,
    connect: Callable[..., psycopg.Connection[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The mutant of FAULTS 50: it shows that the test above can fail."""
    monkeypatch.setattr(claim, "TRAILING", ())
    waits = await _commit_within_the_window(app, ping, look, starts, connect, rounds=3)
    assert sorted(waits)[1] > AT_ONCE + 0.002, waits


async def test_a_rolled_back_enqueue_leaves_nothing_and_wakes_nobody(
    app: PgQueue,
    ping: Task[[], None],
    look: Look,
    connect: Callable[..., psycopg.Connection[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rings: list[float] = []
    ring = claim.Alarm.ring

    def counted(self: claim.Alarm) -> None:
        rings.append(time.monotonic())
        ring(self)

    theirs = connect(autocommit=False)
    async with working(app):
        await _listening(look)
        monkeypatch.setattr(claim.Alarm, "ring", counted)
        ping.using(connection=theirs).enqueue()
        theirs.rollback()
        look.value("select wake('default')")  # a mark: notifications arrive in the order of their commits
        await auntil(lambda: rings, "the mark")
        assert len(rings) == 1
    assert look.rows("select * from jobs") == []
