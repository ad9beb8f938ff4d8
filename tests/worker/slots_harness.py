"""Slots without a database, for tests."""

import asyncio

from pgqueue import JobContext, PgQueue
from pgqueue.worker.outcome import Outcome
from pgqueue.worker.slots import Slots
from tests.waiting import auntil
from tests.worker.finishers import HeardAlarm

CONCURRENCY = 3


class SlotsHarness:
    """Slots with a task `handler` whose jobs run until `gate` opens."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.started: list[int] = []
        self.outcomes: list[Outcome] = []
        self.full = False
        self.nudged_at: list[int] = []  # the jobs that ran then
        app = PgQueue("postgresql://nobody@localhost:1/nothing")

        @app.task
        async def handler(ctx: JobContext) -> None:
            self.started.append(ctx.id)
            await self.gate.wait()

        @app.task
        async def own_cancel() -> None:
            raise asyncio.CancelledError

        self.alarm = HeardAlarm(lambda what: self.nudged_at.append(len(self.slots.running)))
        self.slots = Slots(app.tasks, CONCURRENCY, self.outcomes.append, lambda: self.full, self.alarm)

    async def room(self) -> int:
        async with asyncio.timeout(5):
            return (await self.slots.room())[0]

    async def limited_room(self) -> int:
        async with asyncio.timeout(5):
            return (await self.slots.room())[1]

    async def no_room(self) -> bool:
        try:
            async with asyncio.timeout(0.05):
                await self.slots.room()
        except TimeoutError:
            return True
        return False

    async def ended(self, count: int) -> None:
        await auntil(lambda: len(self.outcomes) == count, f"{count} outcomes")
