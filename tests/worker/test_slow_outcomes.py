"""One outcome that the database takes long to store holds up nobody, gets more time by itself, and is given up in the end."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from pgqueue import PgQueue, chord
from pgqueue.database import Link, connection
from pgqueue.database.call import Call
from pgqueue.database.calls.run import Verdict
from pgqueue.errors import Disconnected
from pgqueue.worker import held, slow
from pgqueue.worker.finish import Finisher
from pgqueue.worker.maintenance import Maintenance
from pgqueue.worker.outcome import outcome
from pgqueue.worker.scheduler import Scheduler
from pgqueue.worker.signals import Alarm
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.conftest import burst, working
from tests.worker.finishers import new_finisher
from tests.worker.jobs import job, node_job


class Database:
    """Stores outcomes at once, but for slow ones, each of which takes so many seconds."""

    def __init__(self, slow: dict[int, float], failing_is_slow: bool = False) -> None:
        self._slow, self._failing_is_slow = slow, failing_is_slow
        self.stored: dict[int, str] = {}
        self.calls: list[tuple[str, list[int], float]] = []

    def link(self, name: str) -> Link:
        async def run(call: Call[Any], *, tell_locked: bool = False) -> list[Verdict]:
            outcomes = json.loads(call.params[0])
            deadline = 8.0 if call.within is None else call.within
            self.calls.append((name, [one["id"] for one in outcomes], deadline))
            takes = sum(self._slow.get(o["id"], 0) for o in outcomes if o["state"] != "failed" or self._failing_is_slow)
            await asyncio.sleep(0)
            if takes > deadline:
                raise Disconnected("deadline passed", too_slow=True)
            self.stored |= {one["id"]: one["state"] for one in outcomes}
            return []

        return cast(Link, type("OneLink", (), {"run": staticmethod(run)}))

    def of(self, id: int) -> list[tuple[str, int, float]]:
        """The calls with this job: the connection, how many outcomes, the deadline."""
        return [(name, len(ids), deadline) for name, ids, deadline in self.calls if id in ids]


@asynccontextmanager
async def finishing(database: Database) -> AsyncIterator[Finisher]:
    finisher = new_finisher(database.link("main"), database.link("held"), database.link("slow"))
    loops = [asyncio.create_task(run()) for run in finisher.loops().values()]
    yield finisher
    for loop in loops:
        assert not loop.done()
        loop.cancel()


def _end(finisher: Finisher, *ids: int) -> None:
    for id in ids:
        finisher.add(outcome(job(id), "succeeded", 0.0))


async def test_the_slow_one_of_a_batch_is_found_beside_the_main_connection_and_gets_more_time() -> None:
    database = Database({13: 60.0})
    async with finishing(database) as finisher:
        _end(finisher, *range(100))
        await finisher.drain()
    assert database.stored == dict.fromkeys(range(100), "succeeded")
    assert [name for name, _, _ in database.calls if name == "main"] == ["main"], "one miss, and it is put aside"
    assert database.of(13) == [
        ("main", 100, 8.0),
        ("held", 13, slow.PART),
        ("held", 2, slow.PART),
        ("held", 1, 8.0),
        ("slow", 1, slow.ALONE),
    ]
    assert len(finisher.slow) == 0
    assert finisher.counts == {"succeeded": 100}


async def test_one_that_is_too_slow_even_alone_ends_as_failed_with_a_reason() -> None:
    database = Database({1: 1000.0})
    async with finishing(database) as finisher:
        _end(finisher, 1, 2)
        await finisher.drain()
    assert database.stored == {1: "failed", 2: "succeeded"}
    assert finisher.counts == {"refused": 1, "succeeded": 1}


async def test_one_that_cannot_even_be_failed_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    database = Database({1: 1000.0}, failing_is_slow=True)
    async with finishing(database) as finisher:
        _end(finisher, 1)
        await finisher.drain()
        assert finisher.unflushed() == []
    assert database.stored == {}
    assert "job 1 cannot be finished, not even as failed; it is given back" in caplog.text
    assert len(database.calls) == 3


async def test_nothing_is_given_up_while_the_database_does_not_answer_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow, "AGAIN", 0.0)
    database = Database({1: 1000.0})
    async with finishing(database) as finisher:
        finisher.slow.is_answering = lambda seconds: len(database.calls) > 5
        _end(finisher, 1)
        await finisher.drain()
    assert [name for name, _, _ in database.calls] == ["main", *["slow"] * 6]
    assert database.stored == {1: "failed"}


async def test_what_is_slow_counts_as_not_handed_in() -> None:
    database = Database({1: 60.0})
    async with finishing(database) as finisher:
        database.link("slow")
        _end(finisher, 1)
        seen: list[list[int]] = []
        finisher.slow.is_answering = lambda seconds: True
        while not database.stored:
            seen.append(finisher.unflushed())
            await asyncio.sleep(0)
        assert all(ids == [1] for ids in seen)
        await finisher.drain()


def test_what_is_held_for_a_workflow_is_handed_in_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "GROUP_CHARACTERS", 1000)
    group = held._Group(1, [outcome(node_job(1, 1), "succeeded", 0.0)])
    large = outcome(node_job(2, 1), "succeeded", 0.0)._replace(nodes="x" * 900)
    assert not group.has_room(large)
    assert group.has_room(outcome(node_job(2, 1), "succeeded", 0.0))
    group.append(outcome(node_job(2, 1), "succeeded", 0.0))
    assert group.characters == sum(one.size for one in group.outcomes)


@pytest.mark.parametrize("too_slow", [True, False])
async def test_a_job_that_is_slow_to_rescue_is_rescued_by_itself_with_more_time(too_slow: bool) -> None:
    """Such as a node above a million others that ends as crashed: else it would be tried for ever, and all others behind it."""
    asked: list[tuple[Any, float | None]] = []

    async def run(call: Call[int]) -> int:
        asked.append((call.params, call.within))
        if len(asked) == 1:
            raise Disconnected("deadline passed", too_slow=too_slow)
        return 1

    link = cast(Link, type("OneLink", (), {"run": staticmethod(run)}))
    alarm = Alarm()
    scheduler = Scheduler(link, alarm, {})
    upkeep = Maintenance(link, 30.0, uuid.uuid4, held=list, take_stuck=list, alarm=alarm, scheduler=scheduler)
    if too_slow:
        assert await upkeep._rescue() == 1
    else:
        with pytest.raises(Disconnected):
            await upkeep._rescue()
    assert asked == [((1000, True), None), ((1, True), slow.ALONE)][: 1 + too_slow]


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines of a test."""
    monkeypatch.setattr(connection, "DEADLINE", 1.0)
    monkeypatch.setattr(slow, "PART", 0.4)
    monkeypatch.setattr(slow, "ALONE", 10.0)


def _slow_end(look: Look, states: str, seconds: float) -> None:
    """The end of each node of a task `head` takes long, as with a million jobs below it."""
    look.rows(
        f"""create function public.slow() returns trigger language plpgsql as $$
            begin
                perform pg_sleep({seconds}) from ended where task = 'head' and state::text in ({states});
                return null;
            end $$"""
    )
    look.rows(
        "create trigger a_slow after update on workflow_node referencing new table as ended "
        "for each statement execute function public.slow()"
    )


@pytest.mark.usefixtures("brief")
async def test_a_node_whose_end_takes_long_ends_and_the_others_go_on_at_once(async_app: PgQueue, look: Look) -> None:
    @async_app.task
    async def head() -> int:
        return 1

    @async_app.task
    async def tail(results: list[int]) -> int:
        return len(results)

    @async_app.task
    async def plain(n: int) -> int:
        return n

    _slow_end(look, "'succeeded'", 3.0)
    flow = chord([head.s()], tail.s()).enqueue()
    others = plain.enqueue_many([(n,) for n in range(50)])
    async with working(async_app):
        started = time.monotonic()
        await others[0].aresult(timeout=20)
        later = await plain.aenqueue(50)
        await later.aresult(timeout=20)
        assert time.monotonic() - started < 2.9, "they did not wait for the head"
        assert await flow.aresult(timeout=20) == 1
    assert {look.state(job.id) for job in others} == {"succeeded"}


@pytest.mark.usefixtures("brief")
async def test_what_is_handed_in_with_a_slow_node_does_not_wait_for_it(async_app: PgQueue, look: Look) -> None:
    """Not even what was in the same part of the batch: the server stops with it when nobody waits any more."""
    gate = asyncio.Event()

    @async_app.task
    async def head() -> None:
        await gate.wait()

    @async_app.task
    async def other() -> None:
        await gate.wait()

    _slow_end(look, "'succeeded'", 6.0)
    for task in (head, *[other] * 9):  # so the head shares its part with one of them
        flow = async_app.workflow("one")
        flow.add(task)
        flow.enqueue()
    running = "select count(*) from job where task = %s and state = 'running'"
    async with working(async_app):
        await auntil(lambda: look.value(running, "other") + look.value(running, "head") == 10, "their start")
        gate.set()
        await auntil(lambda: not look.value(running, "other"), "the ends of the others", within=5.0)
        assert look.value(running, "head") == 1
        await auntil(lambda: not look.value(running, "head"), "the end of the head")
    assert look.value("select count(*) from job_history where state = 'succeeded'") == 10


@pytest.mark.usefixtures("brief")
async def test_a_node_whose_end_never_comes_in_time_fails_with_a_reason(
    async_app: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow, "ALONE", 1.5)

    @async_app.task
    async def head() -> int:
        return 1

    _slow_end(look, "'succeeded'", 30.0)
    flow = async_app.workflow("slow")
    flow.add(head, name="head")
    handle = flow.enqueue()
    await burst(async_app)
    row = look.job(handle.jobs["head"].id)
    assert (row["state"], row["reason"], row["attempt"]) == ("failed", "system_error", 1)
    assert "the database did not store the end of job" in row["errors"][-1]["message"]


async def test_a_statement_timeout_of_the_database_does_not_end_what_gets_more_time(async_app: PgQueue, look: Look) -> None:
    @async_app.task
    async def head() -> int:
        return 1

    @async_app.task
    async def tail(results: list[int]) -> int:
        return len(results)

    _slow_end(look, "'succeeded'", 2.0)
    look.rows(f"alter database {look.value('select current_database()')} set statement_timeout = '1s'")
    flow = chord([head.s()], tail.s()).enqueue()
    async with working(async_app):
        assert await flow.aresult(timeout=20) == 1
