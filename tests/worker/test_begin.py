"""The first step of a handler, which is made without a coroutine of ours."""

import asyncio
import time
from contextvars import ContextVar

import pytest

from pgqueue import JobContext, PgQueue
from pgqueue.worker.slots import SLICE, Slots
from tests.waiting import auntil
from tests.worker.finishers import HeardAlarm
from tests.worker.jobs import job, limited_job

said: ContextVar[str] = ContextVar("said", default="nothing")


class Handlers:
    """Slots with handlers that end at once, and such that wait for `gate`."""

    def __init__(self) -> None:
        self.gate, self.heard, self.running = asyncio.Event(), list[str](), list[set[int]]()
        self.outcomes: list[str] = []
        self.turn, self.turns = 0, list[int]()  # of the event loop: now, and where `blocking` has ended
        app = PgQueue("postgresql://nobody@localhost:1/nothing")

        @app.task
        async def brief(ctx: JobContext) -> None:
            self.heard.append(said.get())
            self.running.append(set(self.slots.running))
            said.set(f"said by {ctx.id}")

        @app.task
        async def waiting(ctx: JobContext) -> None:
            said.set(f"said by {ctx.id}")
            await self.gate.wait()
            self.heard.append(said.get())

        @app.task
        async def closing() -> None:
            raise GeneratorExit

        @app.task
        async def blocking() -> None:
            time.sleep(2 * SLICE)  # noqa: ASYNC251 on purpose
            self.turns.append(self.turn)

        self.slots = Slots(
            app.tasks, 3, lambda ended: self.outcomes.append(ended.state), lambda: False, HeardAlarm(self._nothing)
        )

    def _nothing(self, what: str) -> None: ...

    async def ended(self, count: int) -> None:
        await auntil(lambda: len(self.outcomes) == count, f"{count} outcomes")


@pytest.fixture
async def handlers() -> Handlers:
    """Handlers of one test."""
    return Handlers()


async def test_what_a_brief_handler_sets_in_its_context_ends_with_it(handlers: Handlers) -> None:
    handlers.slots.add([job(n, "brief") for n in range(3)])
    await handlers.ended(3)
    assert handlers.heard == ["nothing"] * 3
    assert handlers.slots.running == {}


async def test_a_brief_handler_counts_as_running(handlers: Handlers) -> None:
    """It may block for long, and the heartbeat says from its thread which jobs have started."""
    handlers.slots.add([job(7, "brief")])
    await handlers.ended(1)
    assert handlers.running == [{7}]


async def test_a_handler_that_awaits_goes_on_in_its_context_and_others_start_meanwhile(handlers: Handlers) -> None:
    handlers.slots.add([job(n, "waiting") for n in range(3)])
    await auntil(lambda: len(handlers.slots.running) == 3, "all of them")
    handlers.gate.set()
    await handlers.ended(3)
    assert handlers.heard == [f"said by {n}" for n in range(3)]
    assert handlers.outcomes == ["succeeded"] * 3


async def test_a_handler_that_raises_generator_exit_at_once_fails_and_the_slot_goes_on(handlers: Handlers) -> None:
    handlers.slots.add([job(1, "closing"), job(2, "brief")])
    await handlers.ended(2)
    assert handlers.outcomes == ["failed", "succeeded"]


async def test_jobs_that_are_about_to_be_added_take_their_room(handlers: Handlers) -> None:
    assert (await handlers.slots.room())[0] == 3
    handlers.slots.expect(2)
    handlers.slots.expect(-2)
    assert (await handlers.slots.room())[0] == 3
    handlers.slots.expect(2)
    room = asyncio.create_task(handlers.slots.room())
    await asyncio.sleep(0)
    assert not room.done()
    room.cancel()


async def test_who_waits_for_room_looks_again_when_expected_jobs_are_not_added(handlers: Handlers) -> None:
    """They are dropped if the worker's id was lost meanwhile; nothing else may happen in an idle worker."""
    handlers.slots.expect(3)
    room = asyncio.create_task(handlers.slots.room())
    await asyncio.sleep(0)
    assert not room.done()
    handlers.slots.expect(-3)
    async with asyncio.timeout(10):
        assert (await room)[0] == 3


async def test_after_a_handler_that_blocks_the_loop_others_have_their_turn(handlers: Handlers) -> None:
    async def turn() -> None:
        while True:
            handlers.turn += 1
            await asyncio.sleep(0)

    turning = asyncio.create_task(turn())
    handlers.slots.add([job(n, "blocking") for n in range(4)])
    await handlers.ended(4)
    turning.cancel()
    assert len(set(handlers.turns)) == 4


async def test_when_brief_handlers_have_ended_who_waits_for_room_looks_again(handlers: Handlers) -> None:
    room = asyncio.create_task(handlers.slots.room())
    handlers.slots.add([job(n, "brief") for n in range(3)])  # its slot has its turn behind that of `room`
    async with asyncio.timeout(10):
        assert (await room)[0] == 3


async def test_brief_jobs_with_limits_leave_their_room(handlers: Handlers) -> None:
    jobs = [limited_job(n, task="brief") for n in range(3)]
    handlers.slots.add(jobs)
    await handlers.ended(3)
    assert (handlers.slots._room.limited_running, handlers.slots._room.limited_waiting) == (0, 0)


async def test_the_time_without_jobs_is_measured_from_the_end_of_the_last_to_the_next(handlers: Handlers) -> None:
    handlers.slots.add([job(1, "brief"), job(2, "waiting")])
    await handlers.ended(1)
    assert handlers.slots._pace._dry_since is None
    handlers.gate.set()
    await handlers.ended(2)
    await auntil(lambda: handlers.slots._pace._dry_since is not None, "the end of the last job")
    handlers.slots.add([job(3, "brief")])
    assert handlers.slots._pace._dry_since is None
