"""One app for all threads and event loops of a process: a pool for sync code, and one per loop."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pgqueue import PgQueue, Task
from pgqueue._process import once
from pgqueue.database import AsyncPool, SyncPool
from tests.looking import Look
from tests.waiting import until

THREADS = 20


def _at_once(function: Callable[[int], Any], threads: int = THREADS) -> list[Any]:
    """What the function returns in each of several threads that start together."""
    gate = threading.Barrier(threads)

    def run(number: int) -> Any:
        gate.wait(10)
        return function(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))


def _connections(look: Look) -> int:
    query = "select count(*) from pg_stat_activity where application_name = 'pgqueue' and datname = current_database()"
    return int(look.value(query))


def test_many_threads_share_one_app(app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    jobs = _at_once(lambda number: [welcome.enqueue(number).id for _ in range(20)])
    assert len({id for ids in jobs for id in ids}) == THREADS * 20 == look.live()
    assert _connections(look) <= app.settings.pool_size
    assert len(app.database._pools) == 1


def test_threads_at_the_same_first_moment_open_one_pool(
    app: PgQueue, welcome: Task[[int], str], look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    gate = threading.Barrier(2)
    make = SyncPool._new_pool

    def make_both(self: SyncPool) -> Any:
        made.append(mine := make(self))
        gate.wait(10)
        return mine

    monkeypatch.setattr(SyncPool, "_new_pool", make_both)
    _at_once(welcome.enqueue, threads=2)
    assert sorted(pool.closed for pool in made) == [False, True]
    assert look.live() == 2


def test_threads_at_the_same_first_moment_get_one_value() -> None:
    gate = threading.Barrier(2)

    class Thing:
        """Has something made at first use."""

        @once
        def value(self) -> object:
            """Made by both threads."""
            gate.wait(10)
            return object()

    thing = Thing()
    first, second = _at_once(lambda _: thing.value, threads=2)
    assert first is second is thing.value
    assert Thing.value.__doc__ == "Made by both threads."


def test_the_pool_goes_where_the_settings_say_at_first_use(database_url: str, look: Look) -> None:
    app = PgQueue("postgresql://nowhere.invalid/", schema="nowhere")

    @app.task
    def late() -> None: ...

    app.settings = PgQueue(database_url).settings
    late.enqueue()
    app.close()
    assert look.live() == 1


def test_event_loops_of_several_threads_share_one_app(app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    async def enqueue() -> list[int]:
        jobs = await asyncio.gather(*(welcome.aenqueue(1) for _ in range(20)))
        await app.aclose()
        return [job.id for job in jobs]

    ids = _at_once(lambda _: asyncio.run(enqueue()), threads=8)
    assert len({id for some in ids for id in some}) == 160 == look.live()
    assert not app.async_database._pools


def test_event_loops_one_after_the_other_share_one_app_and_leave_no_connections(
    app: PgQueue, welcome: Task[[int], str], look: Look
) -> None:
    async def enqueue() -> None:
        await welcome.aenqueue(1)

    async def enqueue_and_close() -> None:
        await welcome.aenqueue(1)
        assert len(app.async_database._pools) == 1
        await app.aclose()

    for _ in range(5):
        asyncio.run(enqueue())
    asyncio.run(enqueue_and_close())
    assert look.live() == 6
    assert until(lambda: _connections(look) == 0, "connections of loops that are gone are closed")


async def test_tasks_at_the_same_first_moment_open_one_pool(
    async_app: PgQueue, welcome: Task[[int], str], look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    make = AsyncPool._new_pool

    def make_one(self: AsyncPool) -> Any:
        made.append(mine := make(self))
        return mine

    monkeypatch.setattr(AsyncPool, "_new_pool", make_one)
    await asyncio.gather(*(welcome.aenqueue(number) for number in range(THREADS)))
    assert len(made) == 1
    assert look.live() == THREADS


async def test_sync_and_async_code_share_one_app(async_app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    await asyncio.gather(*(asyncio.to_thread(welcome.enqueue, n) for n in range(5)), *(welcome.aenqueue(n) for n in range(5)))
    assert look.live() == 10
