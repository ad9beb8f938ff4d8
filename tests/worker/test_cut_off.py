"""What a loop had in hand when it was cut off, it takes up again. No test here has a database."""

import asyncio
import json
from typing import Any, cast

import pytest

from pgqueue import JobContext, PgQueue
from pgqueue.database import Link
from pgqueue.database.calls.run import Verdict
from pgqueue.database.link import Locked
from pgqueue.errors import Disconnected
from pgqueue.worker import held
from pgqueue.worker.outcome import Outcome, outcome
from pgqueue.worker.parents import ParentLoader
from pgqueue.worker.signals import Alarm
from pgqueue.worker.slots import Slots
from tests.waiting import auntil
from tests.worker.finishers import new_finisher
from tests.worker.jobs import job, waiting_job


class Once:
    """A link whose first call commits and is never answered; jobs of earlier calls are stale in later ones."""

    def __init__(self, first: Exception | None = None) -> None:
        self.calls: list[list[int]] = []
        self._first = first
        self._finished: set[int] = set()

    async def run(self, call: Any, *, tell_locked: bool = False) -> list[Verdict]:
        ids = [o["id"] for o in json.loads(call.params[0])]
        if self._first is not None:
            error, self._first = self._first, None
            raise error
        self.calls.append(ids)
        stale = [Verdict(id, "stale", None) for id in ids if id in self._finished]
        self._finished.update(ids)
        if len(self.calls) == 1:
            await asyncio.Event().wait()
        return stale


@pytest.mark.parametrize("where", ["finish", "finish held", "finish slow", "finish alone"])
async def test_outcomes_whose_finish_was_cut_off_are_handed_in_again_and_not_called_stale(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "AGAIN", 0.001)
    slow = Disconnected("too slow", too_slow=True)
    main = Once({"finish": None, "finish held": Locked()}.get(where, slow))
    aside, alone = Once(), Once()
    finisher = new_finisher(main, aside, alone)
    link = {"finish": main, "finish alone": alone}.get(where, aside)
    loops = finisher.loops()
    tasks = {name: asyncio.create_task(run()) for name, run in loops.items()}
    ids = [1] if where == "finish alone" else [1, 2]
    for id in ids:
        finisher.add(outcome(job(id), "succeeded", 0.0))
    await auntil(lambda: link.calls, "a call that is not answered", 5)
    tasks[where].cancel()
    await asyncio.wait({tasks[where]})
    assert sorted(finisher.unflushed()) == ids, "else they would be given back"
    tasks[where] = asyncio.create_task(loops[where]())
    async with asyncio.timeout(5):
        await finisher.drain()
    assert finisher.unflushed() == []
    assert finisher.counts["stale"] == 0
    assert finisher.counts["unconfirmed"] >= 1
    assert finisher.counts["succeeded"] + finisher.counts["unconfirmed"] == len(ids)
    for task in tasks.values():
        task.cancel()


async def test_jobs_whose_parents_were_being_loaded_are_loaded_again() -> None:
    app = PgQueue("postgresql://nobody@localhost:1/nothing")
    started: list[int] = []
    asked: list[int] = []

    @app.task
    async def handler(ctx: JobContext) -> None:
        started.append(ctx.id)

    class Answers:
        async def run(self, call: Any) -> list[tuple[Any, ...]]:
            asked.append(1)
            if len(asked) == 1:
                await asyncio.Event().wait()
            return []

    outcomes: list[Outcome] = []
    slots = Slots(app.tasks, 5, outcomes.append, lambda: False, Alarm())
    loader = ParentLoader(cast(Link, Answers()), app.tasks, slots, outcomes.append)
    loading = asyncio.create_task(loader.run())
    loader.add([waiting_job(1), waiting_job(2)])
    await auntil(lambda: asked, "a call that is not answered", 5)
    loading.cancel()
    await asyncio.wait({loading})
    loader.add([waiting_job(3)])
    loading = asyncio.create_task(loader.run())
    await auntil(lambda: len(outcomes) == 3, "their ends", 5)
    assert sorted(started) == [1, 2, 3]
    loading.cancel()
    await slots.close()
