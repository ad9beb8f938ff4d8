"""Waiting for results: one listener per process hears what workers tell, and nobody depends on it."""

import asyncio
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue, Task, _process
from pgqueue.database.connection import OwnConnection
from pgqueue.database.listen import hears
from pgqueue.errors import ResultTimeout
from pgqueue.job import Job
from pgqueue.waiting import listener as _waiting
from pgqueue.waiting import patience as _patience
from tests.looking import Look
from tests.waiting import auntil, until
from tests.worker.conftest import burst, working

from .test_job import _run

LISTENERS = "select count(*) from pg_stat_activity where application_name = 'pgqueue results' and datname = current_database()"
LONG = 60.0  # seconds; no test waits so long


def _wait(job: Job[Any], flavour: str) -> "asyncio.Future[Any]":
    """A wait under way, in a thread or on the loop."""
    wait = job.aresult(LONG) if flavour == "async" else asyncio.to_thread(job.result, LONG)
    return asyncio.ensure_future(wait)


def _waiters(app: PgQueue) -> int:
    """How many waits listen in this process."""
    listener = app.waiting._listeners.get(_process.this_process())
    return sum(map(len, list(listener._waiters.values()))) if listener else 0


def _rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks alone would take longer than any test."""
    monkeypatch.setattr(_patience, "FIRST_PAUSE", LONG)
    monkeypatch.setattr(_patience, "LONGEST_PAUSE", LONG)


def _listening(look: Look) -> bool:
    return bool(look.value("select count(*) from worker where wake_mode = 'notify'"))


@pytest.mark.parametrize("flavour", ["sync", "async"])
async def test_a_result_comes_long_before_the_next_look(
    async_app: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch, flavour: str
) -> None:
    gate = asyncio.Event()

    @async_app.task
    async def gated(n: int) -> int:
        await gate.wait()
        return n

    _rarely(monkeypatch)
    async with working(async_app) as worker:
        await auntil(lambda: _listening(look), "a worker that listens")
        waits = [_wait(gated.enqueue(n), flavour) for n in range(2)]
        await auntil(lambda: _waiters(async_app) == 2, "two waits")
        await auntil(worker._parts.waiters.is_asked, "a worker that knows")
        gate.set()
        async with asyncio.timeout(20):
            assert await asyncio.gather(*waits) == [0, 1]


@pytest.mark.parametrize("flavour", ["sync", "async"])
async def test_jobs_come_one_by_one_as_they_are_heard_of(
    async_app: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch, flavour: str
) -> None:
    gates = [asyncio.Event() for _ in range(3)]

    @async_app.task
    async def gated(n: int) -> None:
        await gates[n].wait()

    came: asyncio.Queue[int] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    jobs = gated.enqueue_many([(n,) for n in range(3)])

    async def wait() -> None:
        if flavour == "async":
            async for job in async_app.as_completed(jobs, LONG):
                came.put_nowait(job.id)
        else:
            await asyncio.to_thread(in_thread)

    def in_thread() -> None:
        for job in async_app.as_completed(jobs, LONG):
            loop.call_soon_threadsafe(came.put_nowait, job.id)

    _rarely(monkeypatch)
    async with working(async_app) as worker, asyncio.timeout(20):
        await auntil(lambda: _listening(look), "a worker that listens")
        waiting = asyncio.ensure_future(wait())
        await auntil(worker._parts.waiters.is_asked, "a worker that knows")
        for n in (2, 0, 1):
            gates[n].set()
            assert await came.get() == jobs[n].id
        await waiting


def test_what_ends_before_the_process_listens_is_looked_for_once_it_does(
    app: PgQueue, welcome: Task[[int], str], look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen = _waiting.Listener._listen

    def too_late(self: _waiting.Listener, connection: OwnConnection) -> str:
        _run(look, state="succeeded", result="hello")
        return listen(self, connection)

    _rarely(monkeypatch)
    monkeypatch.setattr(_waiting.Listener, "_listen", too_late)
    thread, got = _in_thread(welcome.enqueue(1))
    thread.join(20)
    assert got == ["hello"]


async def test_nothing_is_told_while_nobody_waits(async_app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    look.connection.execute(f'listen "{look.value("select channel()")}_done"'.encode())
    jobs = welcome.enqueue_many([(n,) for n in range(20)])
    worker = await burst(async_app)
    assert not worker._parts.waiters._ids
    assert jobs[0].result(timeout=0) == "hello 0"  # what only looks does not count as waiting
    look.value("select wake_waiters('{4711}')")  # a mark: notifications arrive in order
    assert [n.payload for n in look.connection.notifies(timeout=10, stop_after=1)] == ["4711"]
    assert look.value(LISTENERS) == 0


def test_a_result_that_is_there_is_had_without_listening(app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    job = welcome.enqueue(1)
    with pytest.raises(ResultTimeout):
        job.result(timeout=0)
    _run(look, state="succeeded", result="hello")
    assert job.result() == "hello"
    assert _waiters(app) == 0
    assert not any(listener._thread for listener in app.waiting._listeners.values())


def _in_thread(job: Job[str]) -> tuple[threading.Thread, list[str]]:
    got: list[str] = []
    thread = threading.Thread(target=lambda: got.append(job.result(LONG)))
    thread.start()
    return thread, got


def test_waiting_ends_although_the_listener_was_killed_and_it_comes_back(
    app: PgQueue, welcome: Task[[int], str], look: Look
) -> None:
    listeners = "select pid from pg_stat_activity where application_name = 'pgqueue results' and datname = current_database()"
    job, other = welcome.enqueue(1), welcome.enqueue(2)
    (thread, got), (other_thread, _) = _in_thread(job), _in_thread(other)
    pid = until(lambda: look.value(listeners), "the listener")
    look.value("select pg_terminate_backend(%s)", pid)
    _run(look, state="succeeded", result="hello")
    thread.join(20)
    assert got == ["hello"]
    until(lambda: look.value(listeners) not in (None, pid), "another connection")
    _run(look, state="succeeded")
    other_thread.join(20)


def test_waiting_ends_although_nobody_can_listen(
    database_url: str, look: Look, unused_tcp_port_factory: Callable[[], int]
) -> None:
    app = PgQueue(database_url, listen_url=f"postgresql://127.0.0.1:{unused_tcp_port_factory()}/nowhere")
    job = app.task(name="nothing")(lambda: "hello").enqueue()
    thread, got = _in_thread(job)
    until(lambda: _waiters(app), "a wait")
    _run(look, state="succeeded", result="hello")
    thread.join(20)
    assert got == ["hello"]
    assert look.value(LISTENERS) == 0  # listen_url wins
    app.close()


async def test_two_hundred_waits_share_one_connection(async_app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    jobs = welcome.enqueue_many([(n,) for n in range(10)])
    threads = [_in_thread(jobs[n % 10]) for n in range(100)]
    waits = [asyncio.ensure_future(jobs[n % 10].aresult(LONG)) for n in range(100)]
    await auntil(lambda: _waiters(async_app) == 200, "all of them wait")
    await auntil(lambda: look.value(LISTENERS), "a listener")
    assert look.value(LISTENERS) == 1
    for _ in jobs:
        _run(look, state="succeeded", result="hello")
    assert await asyncio.gather(*waits) == ["hello"] * 100
    for thread, got in threads:
        await asyncio.to_thread(thread.join, 20)
        assert got == ["hello"]
    assert look.value(LISTENERS) == 1
    assert _waiters(async_app) == 0


def test_a_forked_child_that_waits_opens_its_own(app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    job = welcome.enqueue(1)
    with pytest.raises(ResultTimeout):
        job.result(timeout=0.05)
    until(lambda: look.value(LISTENERS) == 1, "the parent's listener")
    app.database.close()  # no thread of the pool may run while we fork; the listener's does
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning), app.waiting._listener().lock:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                code = 0 if job.result(LONG) == "hello" else 2
            finally:
                os._exit(code)
    until(lambda: look.value(LISTENERS) == 2, "the child's listener")
    _run(look, state="succeeded", result="hello")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert job.result(LONG) == "hello"


def test_an_idle_listener_goes_and_comes_back(
    app: PgQueue, welcome: Task[[int], str], look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_waiting, "IDLE", 0.1)
    job = welcome.enqueue(1)
    for _ in range(2):
        thread, got = _in_thread(job)
        until(lambda: look.value(LISTENERS) == 1, "a listener")
        _run(look, state="succeeded", result="hello")
        thread.join(20)
        assert got == ["hello"]
        until(lambda: look.value(LISTENERS) == 0, "no listener")
        job = welcome.enqueue(2)


def test_a_closed_app_does_not_listen(app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    with pytest.raises(ResultTimeout):
        welcome.enqueue(1).result(timeout=0.05)
    until(lambda: look.value(LISTENERS) == 1, "a listener")
    app.close()
    until(lambda: look.value(LISTENERS) == 0, "no listener", within=5)


def test_waits_go_on_when_another_thread_closes_the_app(app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    thread, got = _in_thread(welcome.enqueue(1))
    until(lambda: look.value(LISTENERS) == 1, "a listener")
    app.waiting.close()
    _run(look, state="succeeded", result="hello")
    thread.join(20)
    assert got == ["hello"]


def test_nonsense_on_the_channel_does_no_harm(
    app: PgQueue, welcome: Task[[int], str], look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    _rarely(monkeypatch)
    job = welcome.enqueue(1)
    thread, got = _in_thread(job)
    until(lambda: look.value(LISTENERS) == 1, "a listener")
    (listener,) = app.waiting._listeners.values()
    _run(look, state="succeeded", result="hello")

    def told() -> bool:
        for payload in ("", "nonsense,,-1", f" {job.id}", f"x,{job.id}"):
            look.value("select pg_notify(channel() || '_done', %s)", payload)
        return bool(got)

    until(told, "the result")
    thread.join(20)
    assert listener._thread is not None


class _Pooled(OwnConnection):
    """As a pooler's: closing it leaves the session on the server as it is. A deaf one is handed no notifications."""

    deaf = False

    def __exit__(self, *raised: object) -> None: ...

    def notifies(self, **options: Any) -> Iterator[psycopg.Notify]:  # type: ignore[override]
        return iter(()) if self.deaf else super().notifies(**options)


@pytest.fixture
def session(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Pooled]:
    """What the listener gets; the echo takes another way."""
    with _Pooled.connect(database_url, autocommit=True) as connection:
        monkeypatch.setattr(_waiting, "open_connection", lambda url, application_name: connection)
        yield connection
        connection.close()


def _channels(connection: OwnConnection) -> list[Any]:
    return connection.execute("select pg_listening_channels()").fetchall()


def test_a_process_behind_a_transaction_pooler_polls_and_leaves_nothing_behind(
    app: PgQueue, welcome: Task[[int], str], look: Look, session: _Pooled
) -> None:
    session.deaf = True
    thread, got = _in_thread(welcome.enqueue(1))
    until(lambda: app.waiting._listener().is_polling_only, "a listener that gave up")
    until(lambda: not _channels(session), "a session without channels")
    _run(look, state="succeeded", result="hello")
    thread.join(20)
    assert got == ["hello"]


def test_the_process_that_has_given_up_starts_no_other_thread(
    app: PgQueue, welcome: Task[[int], str], look: Look, session: _Pooled, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.deaf = True
    with pytest.raises(ResultTimeout):
        welcome.enqueue(1).result(timeout=0.05)
    until(lambda: app.waiting._listener().is_polling_only, "a listener that gave up")
    monkeypatch.setattr(_waiting.Listener, "_start", lambda self: pytest.fail("a thread was started"))
    with pytest.raises(ResultTimeout):
        welcome.enqueue(2).result(timeout=0.05)


def test_a_listener_that_goes_leaves_nothing_behind(
    app: PgQueue, welcome: Task[[int], str], look: Look, session: _Pooled, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve = _waiting.Listener._serve
    channels: list[Any] = []

    def watched(self: _waiting.Listener, connection: OwnConnection) -> None:
        channels.extend(_channels(connection))
        serve(self, connection)

    monkeypatch.setattr(_waiting, "IDLE", 0.1)
    monkeypatch.setattr(_waiting.Listener, "_serve", watched)
    with pytest.raises(ResultTimeout):
        welcome.enqueue(1).result(timeout=0.05)
    until(lambda: len(channels) == 1, "a listener")
    until(lambda: not _channels(session), "a session without channels")


def test_the_echo_does_not_come_from_the_connection_that_listens(app: PgQueue, look: Look, session: _Pooled) -> None:
    """A pooler passes on what arrives together with an answer: such an echo would prove nothing."""
    channel = app.waiting._listener()._listen(session)
    assert hears(session, channel, app.url, "echo")
    session.execute("unlisten *")
    look.connection.execute(f'listen "{look.value("select channel()")}_done"'.encode())
    session.deaf = True
    assert not hears(session, channel, app.url, "echo", within=0.2)
    (echo,) = look.connection.notifies(timeout=10, stop_after=1)
    assert echo.pid != session.info.backend_pid


def test_a_thread_that_cannot_start_fails_no_wait_and_the_next_wait_tries_again(
    app: PgQueue, welcome: Task[[int], str], look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def refuse(self: threading.Thread) -> None:
        if self.name == "pgqueue-results":
            raise RuntimeError("can't start new thread")
        start(self)

    with monkeypatch.context() as limited:
        limited.setattr(threading.Thread, "start", refuse)
        thread, got = _in_thread(welcome.enqueue(1))
        until(lambda: _waiters(app), "a wait")
        _run(look, state="succeeded", result="hello")
        thread.join(20)
        assert got == ["hello"]
    with pytest.raises(ResultTimeout):
        welcome.enqueue(2).result(timeout=0.05)
    until(lambda: look.value(LISTENERS) == 1, "a listener")


def test_a_child_whose_process_id_comes_back_has_a_listener_of_its_own(app: PgQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    inherited = app.waiting._listener()
    assert app.waiting._listener() is inherited
    monkeypatch.setattr(_process, "_forks", _process._forks + 1)
    assert app.waiting._listener() is not inherited
