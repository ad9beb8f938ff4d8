"""Finishing nodes of workflows: who holds a workflow for long holds up its jobs, and nobody else's."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import psycopg
import pytest

from pgqueue import JobContext, PgQueue, chain, group
from pgqueue.database import Link
from pgqueue.database.call import Call
from pgqueue.database.calls.run import Verdict
from pgqueue.database.link import Locked
from pgqueue.errors import Disconnected
from pgqueue.worker import Worker, held
from pgqueue.worker.deliver import Deliverer
from pgqueue.worker.finish import Finisher
from pgqueue.worker.outcome import outcome
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.conftest import burst, working
from tests.worker.finishers import new_finisher
from tests.worker.jobs import job, node_job

Outcomes = list[dict[str, Any]]


@pytest.fixture
def no_drift(look: Look) -> Any:
    yield
    assert look.rows("select * from workflow_drift()") == []


@pytest.fixture
def holder(connect: Callable[..., psycopg.Connection[Any]]) -> psycopg.Connection[Any]:
    """Somebody else, in a transaction."""
    return connect(autocommit=False)


@pytest.fixture
def ran(async_app: PgQueue) -> list[str]:
    """What the tasks `node` and `plain` were called with."""
    ran: list[str] = []

    @async_app.task
    async def node(text: str) -> str:
        ran.append(text)
        return text

    @async_app.task
    async def plain(text: str) -> None:
        ran.append(text)

    return ran


def _hold(holder: psycopg.Connection[Any], workflow: int) -> None:
    holder.execute("select from workflow where id = %s for no key update", (workflow,))


def _held_by(worker: Worker) -> list[int]:
    """Jobs whose outcomes are held; none while it starts."""
    return [one.job.id for one in worker._parts.finisher._held.outcomes()] if hasattr(worker, "_parts") else []


def _connections(look: Look) -> set[int]:
    rows = look.rows(
        "select pid from pg_stat_activity where datname = current_database() and application_name = 'pgqueue worker'"
    )
    return {row["pid"] for row in rows}


@pytest.mark.usefixtures("no_drift")
async def test_a_held_workflow_holds_up_its_own_jobs_alone(
    async_app: PgQueue, look: Look, holder: psycopg.Connection[Any], ran: list[str]
) -> None:
    node, plain = async_app.tasks["node"], async_app.tasks["plain"]
    flow = chain(node.s("first"), node.si("second")).enqueue()
    free = group(node.s("free")).enqueue()
    first = flow.jobs["node"].id
    _hold(holder, flow.id)
    async with working(async_app) as worker:
        await auntil(lambda: first in _held_by(worker), "it is held")
        before = _connections(look)
        await auntil(lambda: look.state(free.jobs["node"].id) == "succeeded", "the other workflow goes on")
        for number in range(20):  # all of these while it is held
            other = plain.enqueue(str(number))
            await auntil(lambda id=other.id: look.state(id) == "succeeded", "plain jobs end")  # type: ignore[misc]
        assert look.state(first) == "running"
        assert "second" not in ran
        holder.rollback()
        await auntil(lambda: look.state(flow.jobs["node-2"].id) == "succeeded", "the held workflow goes on")
        assert _connections(look) >= before, "a refused call keeps its connection"
        await auntil(lambda: worker._parts.finisher.counts["succeeded"] == 23, "each is counted once")
    assert ran.count("first") == ran.count("second") == 1
    assert look.value("select count(*) from job_history where id = %s", first) == 1


@pytest.mark.usefixtures("no_drift")
async def test_a_job_that_was_adopted_while_it_ran_is_found_among_the_others(
    async_app: PgQueue, look: Look, holder: psycopg.Connection[Any], ran: list[str]
) -> None:
    gate = asyncio.Event()
    started: list[int] = []

    @async_app.task
    async def wait(n: int) -> None:
        started.append(n)
        await gate.wait()

    jobs = wait.enqueue_many([(n,) for n in range(8)])
    async with working(async_app):
        await auntil(lambda: len(started) == 8, "all run")
        child = async_app.tasks["node"].using(depends_on=jobs[5]).enqueue("child")
        _hold(holder, look.value("select id from workflow"))
        gate.set()
        await auntil(lambda: look.count("succeeded") == 7, "the others end")
        assert look.state(jobs[5].id) == "running"
        holder.rollback()
        await auntil(lambda: look.state(child.id) == "succeeded", "the child runs")
        assert ran == ["child"]


@pytest.mark.usefixtures("no_drift")
async def test_a_stop_waits_for_what_is_held(
    async_app: PgQueue, look: Look, holder: psycopg.Connection[Any], ran: list[str]
) -> None:
    flow = group(async_app.tasks["node"].s("first")).enqueue()
    _hold(holder, flow.id)
    async with working(async_app) as worker:
        await auntil(lambda: _held_by(worker), "it is held")
        worker.stop()
        asyncio.get_running_loop().call_later(0.3, holder.rollback)
    assert look.state(flow.jobs["node"].id) == "succeeded"
    assert ran == ["first"]


@pytest.mark.usefixtures("no_drift")
async def test_a_stop_gives_back_what_is_held_for_longer_than_it_waits(
    async_app: PgQueue,
    look: Look,
    holder: psycopg.Connection[Any],
    ran: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("pgqueue.worker.ending.FLUSH_WITHIN", 0.5)
    flow = group(async_app.tasks["node"].s("first")).enqueue()
    job = flow.jobs["node"].id
    _hold(holder, flow.id)
    async with working(async_app, grace=0.5) as worker:
        await auntil(lambda: _held_by(worker), "it is held")
    assert f"are given back and run again: job {job} of workflow {flow.id}" in caplog.text
    assert look.rows("select state::text, attempt from job where id = %s", job) == [{"state": "ready", "attempt": 0}]
    assert look.rows("select from worker") == []
    holder.rollback()
    await burst(async_app)
    assert ran == ["first", "first"]


@pytest.mark.usefixtures("no_drift")
async def test_an_addition_to_a_held_workflow_is_made_once(
    async_app: PgQueue, look: Look, holder: psycopg.Connection[Any], ran: list[str]
) -> None:
    @async_app.task
    async def start(ctx: JobContext) -> None:
        ctx.workflow.add(async_app.tasks["node"].si("added"))

    flow = group(start.s()).enqueue()
    _hold(holder, flow.id)
    async with working(async_app) as worker:
        await auntil(lambda: _held_by(worker), "it is held")
        look.rows("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgqueue worker'")
        holder.rollback()
        await auntil(lambda: ran == ["added"], "what was added runs")
    assert look.value("select nodes from workflow") == 2


@pytest.mark.usefixtures("no_drift")
async def test_the_next_node_starts_without_a_wake_up_from_outside(
    async_app: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch, ran: list[str]
) -> None:
    monkeypatch.setattr("pgqueue.worker.claim.BACKSTOP", 600.0)
    monkeypatch.setattr("pgqueue.worker.parts.BACKSTOP", 600.0)
    monkeypatch.setattr("pgqueue.worker.liveness.Liveness._listen", lambda self, connection: None)
    node = async_app.tasks["node"]
    chain(*[node.si(str(n)) for n in range(10)]).enqueue()
    async with working(async_app):
        await auntil(lambda: len(ran) == 10, "all of them run", 20)


@pytest.mark.usefixtures("no_drift")
async def test_repairs_are_warned_of_in_the_log(
    async_app: PgQueue, look: Look, ran: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    chain(async_app.tasks["node"].using(run_after=3600).s("a"), async_app.tasks["node"].si("b")).enqueue()
    look.rows("update workflow set open = 1")
    async with working(async_app):
        await auntil(lambda: look.value("select repairs from workflow") == 1, "it is repaired")
    (record,) = [record for record in caplog.records if "repaired" in record.message]
    assert record.levelname == "WARNING"
    assert "1 workflows did not agree with their jobs" in record.message


class Database:
    """Answers finish calls on two links; workflows in `locked` are."""

    def __init__(self) -> None:
        self.locked: set[int] = set()
        self.lost = 0
        self.calls: list[tuple[str, list[int]]] = []
        self.finished: list[int] = []

    def link(self, name: str, workflow_of: Callable[[int], int | None]) -> Link:
        """One of the links."""

        async def run(call: Call[Any], *, tell_locked: bool = False) -> list[Verdict]:
            outcomes: Outcomes = json.loads(call.params[0])
            ids = [one["id"] for one in outcomes]
            self.calls.append((name, ids))
            await asyncio.sleep(0)
            if self.locked & {workflow_of(id) for id in ids}:
                raise Locked
            stale = [id for id in ids if id in self.finished]
            self.finished += [id for id in ids if id not in stale]
            if self.lost:
                self.lost -= 1
                raise Disconnected("the reply was lost")
            return [Verdict(id, "stale", None) for id in stale]

        return cast(Link, type("OneLink", (), {"run": staticmethod(run)}))


@asynccontextmanager
async def finishing(database: Database, workflow_of: Callable[[int], int | None]) -> AsyncIterator[Finisher]:
    """A finisher on this database."""
    main, held_one, slow = (database.link(name, workflow_of) for name in ("main", "held", "slow"))
    finisher = new_finisher(main, held_one, slow)
    loops = [asyncio.create_task(run()) for run in finisher.loops().values()]
    yield finisher
    for loop in loops:
        assert not loop.done(), "it ended"
        loop.cancel()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "AGAIN", 0.001)
    monkeypatch.setattr(held, "AGAIN_AT_MOST", 0.01)


@pytest.mark.usefixtures("hasty")
async def test_a_refused_batch_is_parted_by_workflow_and_new_outcomes_of_a_held_one_join_it() -> None:
    database = Database()
    database.locked = {1}
    async with finishing(database, lambda id: id // 10 or None) as finisher:
        for id in (1, 10, 2, 20, 11):
            finisher.add(outcome(node_job(id, id // 10) if id >= 10 else job(id), "succeeded", 0.0))
        await auntil(lambda: len(database.finished) == 3, "those that are free are finished")
        assert database.calls[0] == ("main", [1, 10, 2, 20, 11])
        calls = [call for call in database.calls[1:] if call[1] != [20]]
        assert calls[:3] == [("held", [1, 2]), ("held", [10, 11, 20]), ("held", [10, 11])]
        finisher.add(outcome(node_job(12, 1), "succeeded", 0.0))
        finisher.add(outcome(job(3), "succeeded", 0.0))
        await auntil(lambda: 3 in database.finished, "a plain one is finished")
        assert not any(name == "main" and 12 in ids for name, ids in database.calls)
        assert sorted(finisher.unflushed()) == [10, 11, 12]
        database.locked.clear()
        await finisher.drain()
        assert sorted(database.finished) == [1, 2, 3, 10, 11, 12, 20]
        finisher.add(outcome(node_job(13, 1), "succeeded", 0.0))
        await finisher.drain()
    assert database.calls[-1] == ("main", [13])
    assert finisher.counts["succeeded"] == 8


@pytest.mark.usefixtures("hasty")
async def test_a_lost_reply_to_what_was_held_is_no_stale_outcome() -> None:
    database = Database()
    database.locked = {1}
    async with finishing(database, lambda id: 1) as finisher:
        finisher.add(outcome(node_job(10, 1), "succeeded", 0.0))
        await auntil(lambda: ("held", [10]) in database.calls, "it is held")
        database.lost = 1
        database.locked.clear()
        await finisher.drain()
    assert database.finished == [10]
    assert (finisher.counts["unconfirmed"], finisher.counts["stale"]) == (1, 0)


@pytest.mark.usefixtures("hasty")
async def test_nothing_more_starts_when_very_much_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgqueue.worker.finish.MOST_HELD", 3)
    database = Database()
    database.locked = {1}
    async with finishing(database, lambda id: 1) as finisher:
        for id in range(3):
            finisher.add(outcome(node_job(id, 1), "succeeded", 0.0))
        await auntil(lambda: finisher._held.outcomes(), "they are held")
        assert finisher.is_full()
        database.locked.clear()
        await finisher.drain()
        assert not finisher.is_full()


@pytest.mark.usefixtures("hasty")
async def test_one_locked_workflow_among_many_takes_few_calls_to_find() -> None:
    database = Database()
    database.locked = {77}
    async with finishing(database, lambda id: id) as finisher:
        for id in range(1, 129):
            finisher.add(outcome(node_job(id, id), "succeeded", 0.0))
        await auntil(lambda: len(database.finished) == 127, "those that are free are finished")
        assert len([ids for _, ids in database.calls if ids != [77]]) <= 15  # the batch, and two for each time it is halved
        assert (len(finisher._held), 77 in finisher._held, 1 in finisher._held) == (1, True, False)
        database.locked.clear()
        await finisher.drain()
        assert (len(finisher._held), 77 in finisher._held) == (0, False)


async def test_what_is_held_for_weeks_is_tried_on() -> None:
    ones = held.Held(Deliverer(cast(Link, None), set()), lambda handed: None, lambda: None)
    batch = [outcome(node_job(10, 1), "succeeded", 0.0)]
    ones._take(batch, 2000)
    (group,) = ones._groups.values()
    assert group.tries == 2001
    assert 0 < group.due - time.monotonic() <= held.AGAIN_AT_MOST


async def test_two_outcomes_of_one_job_are_held_apart() -> None:
    ones = held.Held(Deliverer(cast(Link, None), set()), lambda handed: None, lambda: None)
    ones.add([outcome(node_job(10, 1), "succeeded", 0.0)])
    for id in (11, 10, 12):
        ones.join(outcome(node_job(id, 1), "succeeded", 0.0), 1)
    assert [sorted(group.jobs) for group in ones._groups.values()] == [[10, 11], [10, 12]]
    assert len(ones) == len(ones.outcomes()) == 4


async def test_burst_ends_when_a_workflow_has(async_app: PgQueue, look: Look, ran: list[str]) -> None:
    node = async_app.tasks["node"]
    chain(group(node.s("a"), node.s("b")), node.si("c")).enqueue()
    await burst(async_app)
    assert sorted(ran) == ["a", "b", "c"]
    assert look.rows("select * from workflow_drift()") == []
