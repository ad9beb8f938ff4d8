"""The connections that the links of a worker share: as few as are used at the same time."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue
from pgqueue.database import Link, connection, connections
from pgqueue.database.backoff import Backoff, Complaints
from pgqueue.database.call import Call
from pgqueue.database.connections import Circuit, Connections
from pgqueue.errors import Disconnected
from tests.looking import Look
from tests.waiting import auntil

from .conftest import working

PID: Call[int] = Call("select pg_backend_pid()", (), lambda rows: int(rows[0][0]))
SLEEP: Call[Any] = Call("select pg_sleep(%s)", (60,), lambda rows: rows)
OURS = "from pg_stat_activity where datname = current_database() and application_name like 'pgqueue%%'"


@pytest.fixture
async def shared(app: PgQueue) -> AsyncIterator[Connections]:
    """Connections to the test's database."""
    shared = Connections(app.url, "pgqueue test", Circuit())
    yield shared
    await shared.close()


async def test_calls_of_many_links_one_after_the_other_use_one_connection(app: PgQueue, shared: Connections) -> None:
    links = [Link(shared, app.statements, f"link {n}") for n in range(5)]
    assert len({await link.run(PID) for link in links}) == 1
    assert len(shared) == 1


async def test_a_call_that_lasts_holds_up_no_other_link(app: PgQueue, shared: Connections) -> None:
    slow, other = (Link(shared, app.statements, name, 0.01) for name in ("slow", "other"))
    lasting = asyncio.create_task(slow.run(SLEEP))
    await auntil(lambda: len(shared) == 1 and not shared._free, "the call")
    await asyncio.wait_for(other.run(PID), 5)
    assert len(shared) == 2
    lasting.cancel()
    await asyncio.wait({lasting})
    assert len(shared) == 1, "an interrupted call keeps its connection"


async def test_who_is_patient_waits_for_a_connection_and_opens_none(shared: Connections) -> None:
    first = await shared.take(0)
    waiting = asyncio.create_task(shared.take(60))
    await asyncio.sleep(0)
    shared.give_back(first)
    assert await waiting is first
    assert len(shared) == 1


async def test_after_an_outage_links_share_the_first_connection(shared: Connections, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each worker of a fleet would come back with as many connections as it has links."""
    gate, connect = asyncio.Event(), Circuit.connect

    async def away(self: Circuit, url: str, **options: Any) -> Any:
        await gate.wait()
        return await connect(self, url, **options)

    monkeypatch.setattr(Circuit, "connect", away)

    async def use() -> None:
        lent = await shared.take(0.5)
        await asyncio.sleep(0.01)  # a short call
        shared.give_back(lent)

    waiting = [asyncio.create_task(use()) for _ in range(10)]
    await asyncio.sleep(0.6)  # longer than any of them is patient
    gate.set()
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    assert len(shared) == 1


async def test_who_is_in_a_hurry_gets_a_connection_before_others_that_wait(shared: Connections) -> None:
    first = await shared.take(0)
    patient, urgent = (asyncio.create_task(shared.take(seconds)) for seconds in (60, 30))
    await asyncio.sleep(0)
    shared.give_back(first)
    assert await urgent is first
    assert not patient.done()
    shared.give_back(first)
    assert await patient is first


async def test_a_busy_link_keeps_its_connection_and_an_idle_one_takes_the_first(
    shared: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = [await shared.take(0) for _ in range(2)]
    for lent in (first, second):
        shared.give_back(lent)
    assert await shared.take(0, last=second) is second
    shared.give_back(second)
    monkeypatch.setattr(connections, "LATELY", 0.0)
    assert await shared.take(0, last=second) is first


async def test_a_cancelled_wait_loses_no_connection(shared: Connections) -> None:
    first = await shared.take(0)
    waiting, cut_off = (asyncio.create_task(shared.take(60)) for _ in range(2))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    shared.give_back(first)  # given to the second …
    cut_off.cancel()  # … which is cut off before it has it
    await asyncio.wait({cut_off})
    assert await asyncio.wait_for(shared.take(60), 5) is first


async def test_a_cancelled_try_to_connect_is_made_again(shared: Connections, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler may cancel all tasks of the loop."""
    gate, tries = asyncio.Event(), list[int]()
    connect = Circuit.connect

    async def hanging(self: Circuit, url: str, **options: Any) -> Any:
        tries.append(1)
        if len(tries) == 1:
            await gate.wait()
        return await connect(self, url, **options)

    monkeypatch.setattr(Circuit, "connect", hanging)
    waiting = asyncio.create_task(shared.take(0))
    await auntil(lambda: tries, "the try")
    assert shared._opening is not None
    shared._opening.cancel()
    assert (await asyncio.wait_for(waiting, 5)).number == 1


async def test_while_no_more_can_be_opened_calls_take_turns(
    app: PgQueue, shared: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the server has no connection left: the worker goes on with what it has."""
    links = [Link(shared, app.statements, f"link {n}", 0.0) for n in range(3)]
    await links[0].run(PID)

    async def refused(self: Circuit, url: str, **options: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(Circuit, "connect", refused)
    asked = asyncio.gather(*(link.run(PID) for link in links for _ in range(20)))
    assert len(set(await asyncio.wait_for(asked, 10))) == 1


async def test_an_error_that_no_other_try_mends_is_told_to_who_waits(
    shared: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: Circuit, url: str, **options: Any) -> Any:
        raise OSError("too many open files")

    monkeypatch.setattr(Circuit, "connect", broken)
    with pytest.raises(OSError, match="too many open files"):
        await shared.take(0)


async def test_what_is_unused_is_closed_but_one(app: PgQueue, shared: Connections, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "UNUSED_FOR", 0.0)
    taken = [await shared.take(0) for _ in range(3)]
    shared.give_back(taken[1])
    await shared.close_unused()
    assert len(shared) == 3, "the only free one stays, for the next call"
    for lent in (taken[0], taken[2]):
        shared.give_back(lent)
    await shared.close_unused()
    assert shared._free == [taken[0]]
    assert [lent.cursor.connection.closed for lent in taken] == [False, True, True]


async def test_what_was_used_lately_stays_open(shared: Connections) -> None:
    for lent in [await shared.take(0) for _ in range(2)]:
        shared.give_back(lent)
    await shared.close_unused()
    assert len(shared) == 2


async def test_a_silent_connection_takes_the_free_ones_with_it(
    app: PgQueue, shared: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failover all of them are silent, and each would cost a call its deadline."""
    taken = [await shared.take(0) for _ in range(3)]
    for lent in taken[1:]:
        shared.give_back(lent)
    monkeypatch.setattr(connection, "DEADLINE", 0.2)
    with pytest.raises(Disconnected, match="deadline passed"):
        await Link(shared, app.statements, "test").run(SLEEP)
    assert shared._all == taken[:1], "one that is in use has a deadline of its own"


async def test_an_idle_worker_holds_two_connections(app: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after it has worked: one of them is that of the heartbeat."""
    monkeypatch.setattr(connections, "UNUSED_FOR", 0.3)

    @app.task
    async def work() -> None: ...

    async with working(app):
        work.enqueue_many([()] * 200)
        await auntil(lambda: look.count("succeeded") == 200, "the jobs")
        held = f"select array_agg(application_name order by application_name) {OURS}"
        await auntil(lambda: set(look.value(held)) == {"pgqueue", "pgqueue liveness", "pgqueue worker"}, "the two")
        await auntil(
            lambda: look.value(f"select count(*) {OURS} and application_name = 'pgqueue worker'") == 1, "one for all links"
        )
    app.close()


def test_the_first_failures_of_a_connection_make_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """Their pauses are 0.1 s and 0.2 s: a wrong password would fill the log with the same line."""
    complaints, backoff = Complaints(logging.getLogger("pgqueue.worker"), "no connection"), Backoff()
    for _ in range(3):
        complaints.add(psycopg.OperationalError("refused"), pause := backoff.failed())
        complaints._silent_until -= pause  # as if it was over
    assert [record.getMessage() for record in caplog.records] == ["no connection: refused"]
