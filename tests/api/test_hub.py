"""The hub: one connection hears for all who wait."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue
from pgqueue.api.waiting import ears, hearing, turns
from pgqueue.api.waiting.hub import Hub
from tests.waiting import auntil

LONG = 20.0  # seconds: a wait that nobody ends in time fails its test


@asynccontextmanager
async def hubbed(app: PgQueue) -> AsyncIterator[Hub]:
    """A hub that listens."""
    hub, heard = Hub(app, asyncio.Event()), list[bool]()
    hub.on_keys = lambda: heard.append(True)
    with hub.all_ends(), psycopg.connect(app.url, autocommit=True) as connection:
        await auntil(lambda: hub.mode == "notify", "the hub listens")
        connection.execute("select pgqueue.wake('!keys')")
        await auntil(lambda: heard, "the hub hears, and has made all look that it makes look at its beginning")
    try:
        yield hub
    finally:
        await hub.stop()


@pytest.fixture
async def hub(app: PgQueue) -> AsyncIterator[Hub]:
    """A hub that listens."""
    async with hubbed(app) as hub:
        yield hub


@pytest.fixture
def _no_backstop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only notifications wake."""
    monkeypatch.setattr(ears, "BACKSTOP", LONG)
    monkeypatch.setattr(turns, "EVERY", LONG)
    monkeypatch.setattr(hearing, "SWEEP_EVERY", LONG)


def connections(connection: psycopg.Connection[Any]) -> list[int]:
    """The backends of hubs on the test's database."""
    return [
        row[0]
        for row in connection.execute(
            "select pid from pg_stat_activity where datname = current_database() and application_name = %s", [hearing.NAME]
        )
    ]


@pytest.mark.usefixtures("_no_backstop")
async def test_a_wait_for_a_job_ends_when_a_worker_says_that_it_is_over(hub: Hub, connection: psycopg.Connection[Any]) -> None:
    """By the notification of wake_waiters."""
    with hub.ends([5, 7]) as ear, hub.ends([6]) as other:
        await _after_asking(hub, ear, connection, [7])
        assert ear.heard() == [7]
        assert other.heard() in ([], None)


async def _after_asking(hub: Hub, ear: Any, connection: psycopg.Connection[Any], ids: list[int]) -> None:
    await auntil(lambda: ear._heard is None, "the workers are asked, and then all look")
    await ear.wait(0)
    ear.heard()
    connection.execute("select pgqueue.wake_waiters(%s::bigint[])", [ids])
    assert not await asyncio.wait_for(ear.wait(LONG), 5)


async def test_a_job_that_ends_without_a_notification_is_found_by_one_look_for_all(
    app: PgQueue, hub: Hub, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody calls wake_waiters for a job that is cancelled while it waits; the ears themselves do not look that often."""
    monkeypatch.setattr(ears, "LOOKED_AFTER", LONG)

    @app.task
    def noop() -> None: ...

    ids = [noop.enqueue().id for _ in range(50)]
    looks: list[list[int]] = []
    original = hub.to_sweep

    def to_sweep() -> list[int]:
        looks.append(original())
        return looks[-1]

    monkeypatch.setattr(hub, "to_sweep", to_sweep)

    async def ended(id: int) -> None:
        with hub.ends([id]) as ear:
            while (heard := ear.heard()) is None or id not in heard:
                assert not await ear.wait(LONG)

    waits = [asyncio.create_task(ended(id)) for id in ids]
    await auntil(lambda: any(len(look) == 50 for look in looks), "a look for all")
    connection.execute("select pgqueue.cancel(id) from unnest(%s::bigint[]) as i(id)", [ids])
    before = len(looks)
    await asyncio.wait_for(asyncio.gather(*waits), 5)
    assert len(looks) - before < 5


@pytest.mark.usefixtures("_no_backstop")
async def test_a_wake_makes_one_of_a_hundred_look(hub: Hub, connection: psycopg.Connection[Any]) -> None:
    """It finds nothing, so the turn ends with it."""
    looks = [0]
    async with _pollers(hub, 100, looks, lambda: 0):
        connection.execute("select pgqueue.wake('mail')")
        await auntil(lambda: looks[0] > 0, "a look")
        connection.execute("select pgqueue.wake('other')")
        await asyncio.sleep(0.3)
        assert looks[0] == 1


@pytest.mark.usefixtures("_no_backstop")
async def test_a_look_that_finds_jobs_passes_the_turn_on_until_one_finds_none(
    hub: Hub, connection: psycopg.Connection[Any]
) -> None:
    """Ten jobs and one wake: eleven looks."""
    looks, jobs = [0], [10]

    def claim() -> int:
        jobs[0] -= (found := min(jobs[0], 1))
        return found

    async with _pollers(hub, 100, looks, claim):
        connection.execute("select pgqueue.wake('mail')")
        await auntil(lambda: looks[0] >= 11, "all look that must")
        await asyncio.sleep(0.2)
        assert (looks[0], jobs[0]) == (11, 0)


@pytest.mark.usefixtures("_no_backstop")
async def test_a_wake_reaches_each_kind_of_worker_of_a_queue(hub: Hub, connection: psycopg.Connection[Any]) -> None:
    """A worker without the task finds nothing; another one may."""
    first, second = [0], [0]
    async with _pollers(hub, 10, first, lambda: 0, "tasks a"), _pollers(hub, 10, second, lambda: 0, "tasks b"):
        connection.execute("select pgqueue.wake('mail')")
        await auntil(lambda: first == [1] and second == [1], "one of each kind looks")


@pytest.mark.usefixtures("_no_backstop")
async def test_a_wake_between_a_look_and_the_wait_is_not_lost(hub: Hub, connection: psycopg.Connection[Any]) -> None:
    """The ear is entered before the look, so the hub knows of it."""
    with hub.queues(["mail"]) as ear, hub.queues(["mark"]) as mark:
        connection.execute("select pgqueue.wake('mail')")
        connection.execute("select pgqueue.wake('mark')")
        await asyncio.wait_for(mark.wait(LONG), 5)
        await asyncio.wait_for(ear.wait(LONG), 1)
        assert ear.has_turn


@pytest.mark.usefixtures("_no_backstop")
async def test_a_wake_during_a_turn_is_looked_at_after_it(hub: Hub, connection: psycopg.Connection[Any]) -> None:
    """The holder may have looked before."""
    with hub.queues(["mail"]) as first, hub.queues(["mail"]) as second:
        connection.execute("select pgqueue.wake('mail')")
        await asyncio.wait_for(first.wait(LONG), 5)
        waiting = asyncio.create_task(second.wait(LONG))
        connection.execute("select pgqueue.wake('mail')")
        await asyncio.sleep(0.2)
        assert not waiting.done()
        again = asyncio.create_task(first.wait(LONG))
        await asyncio.wait_for(waiting, 5)
        assert second.has_turn
        again.cancel()
        await asyncio.wait([again])


@pytest.mark.usefixtures("_no_backstop")
async def test_a_turn_whose_holder_goes_away_is_passed_on(hub: Hub, connection: psycopg.Connection[Any]) -> None:
    """Its client may have gone before it looked."""
    with hub.queues(["mail"]) as second:
        with hub.queues(["mail"]) as first:
            connection.execute("select pgqueue.wake('mail')")
            await asyncio.wait_for(first.wait(LONG), 5)
        await asyncio.wait_for(second.wait(LONG), 1)
        assert second.has_turn


@pytest.mark.usefixtures("_no_backstop")
async def test_what_one_wait_has_learned_of_a_later_job_counts_when_it_is_gone(hub: Hub) -> None:
    """A job that waits for its limit is due in a moment, and whoever has looked has no time left."""
    with hub.queues(["mail"]) as second:
        with hub.queues(["mail"]) as first:
            await first.wait(0)
            first.take(time.monotonic())
            waiting = asyncio.create_task(second.wait(LONG))
            await asyncio.sleep(0.05)
            await first.wait(0.05, look_in=0.2)
        await asyncio.wait_for(waiting, 2)
        assert second.has_turn


async def test_without_wakes_one_of_a_hundred_looks_each_second(app: PgQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Notifications can be lost; a tenth of the second here, and a hub without a connection."""
    monkeypatch.setattr(turns, "EVERY", 0.1)
    monkeypatch.setattr(hearing.Hearing, "start", lambda self: None)
    hub, looks = Hub(app, asyncio.Event()), [0]
    async with _pollers(hub, 100, looks, lambda: 0):
        await asyncio.sleep(0.55)
    assert 3 <= looks[0] <= 7
    await hub.stop()


@asynccontextmanager
async def _pollers(
    hub: Hub, number: int, looks: list[int], claim: Callable[[], int], alike: Hashable = None
) -> AsyncIterator[None]:
    """Polls for the queue `mail` that wait; each look is counted."""

    async def poll() -> None:
        with hub.queues(["mail"], alike) as ear:
            while not await ear.wait(LONG):
                looks[0] += 1
                await asyncio.sleep(0.002)
                if claim():
                    ear.pass_on()

    polls = [asyncio.create_task(poll()) for _ in range(number)]
    await asyncio.sleep(0.01)
    try:
        yield
    finally:
        for one in polls:
            one.cancel()
        await asyncio.wait(polls)


async def test_a_listener_whose_connection_is_killed_listens_again(hub: Hub, connection: psycopg.Connection[Any]) -> None:
    """And those who wait look meanwhile, because something may be missed."""
    with hub.queues(["mail"]) as ear, hub.ends([5]) as end:
        await end.wait(0)
        end.heard()
        (pid,) = connections(connection)
        connection.execute("select pg_terminate_backend(%s)", [pid])
        assert not await end.wait(LONG)
        assert end.heard() is None
        await auntil(lambda: connections(connection) not in ([], [pid]) and hub.mode == "notify", "another connection")
        await ear.wait(0)
        connection.execute("select pgqueue.wake('mail')")
        await asyncio.wait_for(ear.wait(LONG), 5)
        assert ear.has_turn


async def test_two_hundred_who_wait_have_one_connection_which_is_closed_when_they_are_gone(
    app: PgQueue, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waits hold none themselves."""
    monkeypatch.setattr(hearing, "IDLE", 0.2)
    hub = Hub(app, asyncio.Event())
    waits = [asyncio.create_task(_wait(hub, id)) for id in range(200)]
    await auntil(lambda: hub.mode == "notify", "the hub listens")
    assert len(connections(connection)) == 1
    for wait in waits:
        wait.cancel()
    await asyncio.wait(waits)
    await auntil(lambda: not connections(connection), "the connection is closed")
    assert hub.mode == "polling: nobody waits"
    await hub.stop()


async def _wait(hub: Hub, id: int) -> None:
    with hub.ends([id]) as ear:
        while not await ear.wait(LONG):
            pass


@pytest.mark.usefixtures("_no_backstop")
async def test_all_waits_end_when_the_process_is_to_end(app: PgQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a moment, whatever they wait for; nothing else wakes them here."""
    monkeypatch.setattr(hearing.Hearing, "start", lambda self: None)
    stopping = asyncio.Event()
    hub = Hub(app, stopping)
    with hub.ends([1]) as end, hub.changes([2]) as change, hub.all_ends() as any_end, hub.queues(["mail"]) as queue:
        waits = [asyncio.create_task(ear.wait(LONG)) for ear in (end, change, any_end)]
        await queue.wait(0)
        waits.append(asyncio.create_task(queue.wait(LONG)))
        await asyncio.sleep(0.01)
        stopping.set()
        assert await asyncio.wait_for(asyncio.gather(*waits), 1) == [True] * 4
    await hub.stop()


async def test_behind_a_pooler_that_swallows_notifications_waits_look_each_second(
    pooled: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mode says what to do about it."""
    monkeypatch.setattr(hearing, "ECHO_WITHIN", 0.2)
    app = PgQueue(pooled(4))
    hub = Hub(app, asyncio.Event())
    with hub.changes([1]) as ear:
        await auntil(lambda: "pooler" in hub.mode, "the mode")
        assert "PGQUEUE_LISTEN_URL" in hub.mode
        await ear.wait(0)
        assert not await asyncio.wait_for(ear.wait(LONG), 3)
        assert ear.heard() is None
    await hub.stop()
    app.close()


async def test_results_are_wanted_while_a_process_waits_and_while_nothing_is_known(
    hub: Hub, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who finishes jobs over HTTP notifies nobody else."""
    assert hub.results_wanted
    hub._hearing.since = -1000.0
    hub._wanted_until = 0.0
    assert not hub.results_wanted
    with hub.queues(["mail"]):
        connection.execute("select pgqueue.ask_results()")
        await auntil(lambda: hub.results_wanted, "the request is heard")


async def test_changed_keys_are_told(hub: Hub, connection: psycopg.Connection[Any]) -> None:
    """A revoked key is refused at once, and not after a second."""
    told: list[bool] = []
    hub.on_keys = lambda: told.append(True)
    connection.execute("select pgqueue.wake('!keys')")
    await auntil(lambda: told, "keys are forgotten")
