"""The first step of a handler, which is made without a coroutine of ours."""

import asyncio
from contextvars import ContextVar

import pytest

from pgqueue import JobContext, PgQueue
from pgqueue.worker.slots import Slots
from tests.waiting import auntil
from tests.worker.finishers import HeardAlarm
from tests.worker.jobs import job

said: ContextVar[str] = ContextVar("said", default="nothing")


class Handlers:
    """Slots with handlers that end at once, and such that wait for `gate`."""

    def __init__(self) -> None:
        self.gate, self.heard, self.running = asyncio.Event(), list[str](), list[set[int]]()
        self.outcomes: list[str] = []
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
    handlers.slots.expect(-2)  # and they are not added: their worker was lost
    async with asyncio.timeout(5):
        assert (await room)[0] == 3
