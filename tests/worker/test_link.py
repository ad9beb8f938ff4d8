"""The worker's connections: thrown away when they misbehave, opened again without hammering the server."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from itertools import pairwise
from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue
from pgqueue.database import Link, connection
from pgqueue.database.call import Call
from pgqueue.database.calls import run as run_calls
from pgqueue.database.calls import workers as worker_calls
from pgqueue.database.connections import Circuit, Connections
from pgqueue.errors import Disconnected, InvalidArgument, NotMigrated, WorkerLost
from pgqueue.worker import Worker, WorkerOptions
from tests.looking import Look
from tests.refusing import black_hole, closed_port
from tests.waiting import auntil

SLEEP: Call[Any] = Call("select pg_sleep(%s)", (60,), lambda rows: rows)
PID: Call[int] = Call("select pg_backend_pid()", (), lambda rows: int(rows[0][0]))


@pytest.fixture
def circuit() -> Circuit:
    return Circuit()


@pytest.fixture
async def shared(app: PgQueue, circuit: Circuit) -> AsyncIterator[Connections]:
    """Connections to the test's database."""
    connections = Connections(app.url, "pgqueue test", circuit)
    yield connections
    await connections.close()


@pytest.fixture
def one(app: PgQueue, shared: Connections) -> Link:
    """A link over these connections."""
    return Link(shared, app.statements, "test")


class Refusing:
    """Stands for a server that refuses so many connections."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
        self.left, self.tried_at = times, list[float]()
        self.now = 0.0
        monkeypatch.setattr("time.monotonic", lambda: self.now)
        monkeypatch.setattr("random.uniform", lambda low, high: high)
        monkeypatch.setattr(asyncio, "sleep", self._sleep)
        monkeypatch.setattr(connection.OwnAsyncConnection, "connect", self._connect)

    async def _sleep(self, seconds: float) -> None:
        self.now += seconds

    async def _connect(self, url: str) -> object:
        self.tried_at.append(self.now)
        self.left -= 1
        if self.left >= 0:
            raise psycopg.OperationalError("refused")
        return object()


async def test_a_dead_server_is_tried_ever_more_slowly(monkeypatch: pytest.MonkeyPatch, circuit: Circuit) -> None:
    server = Refusing(monkeypatch, times=9)
    await circuit.connect("url")
    waits = [round(b - a, 3) for a, b in zip(server.tried_at, server.tried_at[1:], strict=False)]
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]


async def test_after_a_success_the_waits_are_short_again(monkeypatch: pytest.MonkeyPatch, circuit: Circuit) -> None:
    server = Refusing(monkeypatch, times=5)
    await circuit.connect("url")
    server.left, server.tried_at = 1, []
    await circuit.connect("url")
    assert server.tried_at[1] - server.tried_at[0] == pytest.approx(0.1)


async def test_only_one_link_of_a_process_tries_at_a_time(monkeypatch: pytest.MonkeyPatch, circuit: Circuit) -> None:
    trying, most = 0, 0

    async def connect(url: str) -> object:
        nonlocal trying, most
        trying += 1
        most = max(most, trying)
        await asyncio.sleep(0)
        trying -= 1
        return object()

    monkeypatch.setattr(connection.OwnAsyncConnection, "connect", connect)
    await asyncio.gather(*(circuit.connect("url") for _ in range(10)))
    assert most == 1


async def test_a_call_past_its_deadline_loses_its_connection(one: Link, monkeypatch: pytest.MonkeyPatch, look: Look) -> None:
    first = await one.run(PID)
    monkeypatch.setattr(connection, "DEADLINE", 0.2)
    started = time.monotonic()
    with pytest.raises(Disconnected, match="deadline passed"):
        await one.run(SLEEP)
    assert time.monotonic() - started < 8
    monkeypatch.undo()
    assert await one.run(PID) != first


async def test_a_call_past_its_deadline_does_not_run_on_in_the_server(
    one: Link, monkeypatch: pytest.MonkeyPatch, look: Look
) -> None:
    """Its locks would stay, and its commit would come when nobody counts on it."""
    pid = await one.run(PID)
    monkeypatch.setattr(connection, "DEADLINE", 0.2)
    with pytest.raises(Disconnected):
        await one.run(SLEEP)
    await auntil(lambda: not look.rows("select pid from pg_stat_activity where pid = %s", pid), "its backend is gone")


async def test_a_connection_that_was_killed_is_replaced(one: Link, look: Look) -> None:
    pid = await one.run(PID)
    look.value("select pg_terminate_backend(%s)", pid)
    with pytest.raises(Disconnected):
        await one.run(PID)
    assert await one.run(PID) != pid


@pytest.mark.parametrize("sqlstate", ["08006", "40001", "40P01", "53300", "55P03", "57014", "57P01", "58030", "25006"])
async def test_what_passes_is_worth_another_try(one: Link, look: Look, sqlstate: str) -> None:
    body = f"begin raise 'no' using errcode = '{sqlstate}'; end"
    raising = f"create function public.refuse() returns void language plpgsql as $${body}$$"
    look.connection.execute(raising.encode())
    with pytest.raises(Disconnected):
        await one.run(Call("select public.refuse()", (), lambda rows: rows))


async def test_a_refused_call_is_tried_ever_more_slowly_although_connects_work_and_others_go_on(
    one: Link, look: Look, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    look.rows("create function public.refuse() returns void language plpgsql as $$begin raise disk_full; end$$")
    refused: Call[Any] = Call("select public.refuse()", (), lambda rows: rows)
    asked = []
    for _ in range(4):
        with pytest.raises(Disconnected):
            await one.run(refused)
        asked.append(time.monotonic())
        assert await one.run(PID)
    waits = [b - a for a, b in pairwise(asked)]
    for wait, pause in zip(waits, (0.1, 0.2, 0.4), strict=True):
        assert wait >= 0.9 * pause  # the pause began a moment before `asked` was noted
    assert len(caplog.records) <= 4
    look.rows("create or replace function public.refuse() returns void language sql as ''")
    await one.run(refused)
    assert not one._refusals


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (Call("select {schema}.nothing()", (), list), NotMigrated),
        (Call("select * from {schema}.nothing", (), list), NotMigrated),
        (Call("select {schema}.invalid('field', 'value', 'remedy')", (), list), InvalidArgument),
        (worker_calls.heartbeat(uuid.uuid4(), [], "notify"), WorkerLost),
        (Call("select 1/0", (), list), psycopg.errors.DivisionByZero),
    ],
)
async def test_what_does_not_pass_is_raised_and_keeps_the_connection(one: Link, call: Call[Any], error: type[Exception]) -> None:
    pid = await one.run(PID)
    with pytest.raises(error):
        await one.run(call)
    assert await one.run(PID) == pid


async def test_calls_on_one_link_take_turns(one: Link) -> None:
    answers = await asyncio.gather(*(one.run(worker_calls.has_work(["default"])) for _ in range(20)))
    assert answers == [False] * 20


async def test_nothing_of_ours_stays_on_a_connection(one: Link, look: Look) -> None:
    for _ in range(10):
        await one.run(run_calls.promote())
    count: Call[int] = Call("select count(*) from pg_prepared_statements", (), lambda rows: int(rows[0][0]))
    assert await one.run(count) == 0
    assert look.value("select count(*) from pg_locks where locktype = 'advisory'") == 0


async def test_notifications_that_a_pooler_lets_through_are_not_kept(one: Link, shared: Connections) -> None:
    await one.run(PID)
    own = shared._all[0].cursor.connection
    await own.execute("listen stray")
    for _ in range(3):
        await one.run(Call("select pg_notify('stray', '')", (), lambda rows: None))
    assert len(own._notifies_backlog or ()) == 0


@pytest.mark.parametrize("sqlstate", ["25006", "25P03", "25P04", "57P05"])
async def test_a_connection_that_the_server_ends_for_its_age_is_opened_again(one: Link, sqlstate: str) -> None:
    ended: Call[Any] = Call(f"do $$ begin raise sqlstate '{sqlstate}'; end $$", (), lambda rows: rows)
    with pytest.raises(Disconnected):
        await one.run(ended)
    assert await one.run(PID) > 0


@pytest.mark.parametrize("kind", ["closed", "silent"])
async def test_a_worker_says_which_database_it_waits_for_and_goes_on(
    kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with black_hole() as silent:
        port = closed_port() if kind == "closed" else silent
        monkeypatch.setenv("PGQUEUE_DATABASE_URL", f"postgresql://ada:hunter2@127.0.0.1:{port}/db?connect_timeout=2")
        app = PgQueue()
        app.task(_nothing)
        worker = asyncio.create_task(Worker(app, WorkerOptions(handle_signals=False)).run())
        await auntil(lambda: "no connection: " in caplog.text, "it says why")
        reason = {"closed": "Connection refused; no server listens", "silent": "timeout expired; check host and port"}[kind]
        assert f"no connection: cannot connect to 127.0.0.1:{port} (PGQUEUE_DATABASE_URL): {reason}" in caplog.text.replace(
            "connection timeout", "timeout"
        )
        assert not worker.done()
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker


async def _nothing() -> None: ...
