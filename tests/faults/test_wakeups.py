"""FAULTS 22, 23 and 25: an idle worker hears of a job, whatever happens to its listener and however enqueues commit."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue, Task
from pgqueue.database.connection import OwnConnection
from pgqueue.worker import claim
from pgqueue.worker.claim import BACKSTOP
from pgqueue.worker.liveness import Liveness
from pgqueue.worker.signals import Alarm
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.conftest import working

pytestmark = pytest.mark.alone

KILL_LISTENER = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'pgqueue liveness'"
AT_ONCE = 0.05  # seconds from commit to start for an idle worker whose listener is up
NEVER = 600.0  # seconds: what is put off so long does not help within a test


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


@pytest.fixture
def no_backstop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that look for jobs when they are woken, and else never: a missed wake-up is no matter of luck."""
    monkeypatch.setattr("pgqueue.worker.parts.BACKSTOP", NEVER)


@pytest.mark.usefixtures("no_backstop")
async def test_an_idle_worker_starts_a_job_at_once(app: PgQueue, ping: Task[[], None], look: Look, starts: Starts) -> None:
    waits = []
    async with working(app):
        await _listening(look)
        for _ in range(20):
            await ping.aenqueue()
            waits.append(await starts.next_after(time.monotonic()))
            await asyncio.sleep(0.04)  # idle again, its trailing looks over
    assert sorted(waits)[5] < AT_ONCE, waits  # the fastest quarter: the machine may be busy


async def test_a_job_enqueued_while_the_listener_is_dead_is_found_by_the_backstop(
    database_url: str, look: Look, starts: Starts, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = PgQueue(database_url, lease=NEVER)  # a lost lease would wake the worker, too

    @app.task
    async def ping() -> None:
        starts.at.append(time.monotonic())

    dead = threading.Event()

    def stay_dead(self: Liveness, connection: OwnConnection) -> None:
        dead.set()
        raise psycopg.OperationalError("no listener for now")

    async with working(app):
        await _listening(look)
        monkeypatch.setattr(Liveness, "_listen", stay_dead)
        look.value(KILL_LISTENER)
        await auntil(dead.is_set, "the end of the listener")
        await ping.aenqueue()
        await starts.next_after(0)
    assert BACKSTOP <= 1.0
    await app.aclose()


@pytest.mark.usefixtures("no_backstop")
async def test_a_job_enqueued_while_the_listener_is_dead_is_found_when_it_returns(
    app: PgQueue, ping: Task[[], None], look: Look, starts: Starts
) -> None:
    async with working(app):
        for _ in range(2):
            await _listening(look)
            look.value(KILL_LISTENER)
            await ping.aenqueue()
            await starts.next_after(0)


@pytest.mark.usefixtures("no_backstop")
async def test_a_job_committed_between_listen_and_the_first_poll_starts_at_once(
    app: PgQueue, ping: Task[[], None], look: Look, starts: Starts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a notification reaches a listener that is not serving yet; the poll after LISTEN finds the job."""
    listen = Liveness._listen
    enqueued: list[float] = []

    def listen_and_enqueue(self: Liveness, connection: OwnConnection) -> None:
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
        monkeypatch.setattr(Liveness, "_listen", listen_and_enqueue)
        look.value(KILL_LISTENER)
        await auntil(lambda: enqueued, "the listener's return")
        await starts.next_after(enqueued[0])


@asynccontextmanager
async def _committed_within_the_window(
    app: PgQueue, ping: Task[[], None], look: Look, starts: Starts, connect: Callable[..., psycopg.Connection[Any]]
) -> AsyncIterator[None]:
    """FAULTS 23: A wakes the worker, which looks; B, which did not notify, commits just after that look."""
    b = connect(autocommit=False)
    async with working(app):
        await _listening(look)
        b.execute("select enqueue('ping', notify => false)")
        await ping.aenqueue()
        await starts.next_after(0)
        b.commit()
        yield


@pytest.mark.usefixtures("no_backstop")
async def test_a_job_committed_after_the_look_of_its_window_s_wake_up_is_found_by_the_trailing_looks(
    app: PgQueue,
    ping: Task[[], None],
    look: Look,
    starts: Starts,
    connect: Callable[..., psycopg.Connection[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert sum(claim.TRAILING) < AT_ONCE
    monkeypatch.setattr(claim, "TRAILING", (*claim.TRAILING, 1.0))  # where a commit takes longer than the others allow for
    async with _committed_within_the_window(app, ping, look, starts, connect):
        await starts.next_after(0)


@pytest.mark.usefixtures("no_backstop")
async def test_without_the_trailing_looks_that_job_would_wait_for_the_backstop(
    app: PgQueue,
    ping: Task[[], None],
    look: Look,
    starts: Starts,
    connect: Callable[..., psycopg.Connection[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The mutant of FAULTS 50: it shows that the test above can fail."""
    monkeypatch.setattr(claim, "TRAILING", ())
    async with _committed_within_the_window(app, ping, look, starts, connect):
        await asyncio.sleep(2.0)
        assert starts.at == []
        look.value("select wake('default')")
        await starts.next_after(0)


async def test_a_rolled_back_enqueue_leaves_nothing_and_wakes_nobody(
    app: PgQueue,
    ping: Task[[], None],
    look: Look,
    connect: Callable[..., psycopg.Connection[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rings: list[float] = []
    ring = Alarm.ring

    def counted(self: Alarm) -> None:
        rings.append(time.monotonic())
        ring(self)

    theirs = connect(autocommit=False)
    async with working(app):
        await _listening(look)
        monkeypatch.setattr(Alarm, "ring", counted)
        ping.using(connection=theirs).enqueue()
        theirs.rollback()
        look.value("select wake('default')")  # a mark: notifications arrive in the order of their commits
        await auntil(lambda: rings, "the mark")
        assert len(rings) == 1
    assert look.rows("select * from jobs") == []
