"""Workers carry on with operations: at once when one was started, and by themselves if they did not hear of it."""

import asyncio
import time
from typing import Any

import pytest

from pgqueue import PgQueue
from pgqueue.database.calls import operations as calls
from pgqueue.database.calls.operations import Order
from pgqueue.errors import Disconnected
from pgqueue.worker.operations import Operations
from tests.looking import Look
from tests.waiting import auntil

from .conftest import working

JOBS = 2000


def waiting(look: Look) -> None:
    """Jobs of a queue that no worker serves."""
    look.rows("select count(*) from enqueue_many('send', (select jsonb_agg('{}'::jsonb) from generate_series(1, %s)), "
              "queue => 'later')", JOBS)  # fmt: skip


def done(look: Look) -> bool:
    """Whether the operation is over."""
    return bool(look.value("select finished_at is not null from operations"))


def start(app: PgQueue) -> None:
    """An operation that is left to the workers."""
    app.database.run(calls.start_operation(Order("cancel", '{"queue": "later"}')))


async def test_a_worker_finishes_an_operation_that_was_started_before(app: PgQueue, look: Look) -> None:
    waiting(look)
    start(app)
    assert not done(look)

    async with working(app):
        await auntil(lambda: done(look), "the end of the operation")

    assert look.value("select did from operations") == {"cancelled": JOBS}


async def test_a_worker_hears_of_a_new_one_at_once(app: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not at its next look, which is a third of the lease away."""
    monkeypatch.setattr("pgqueue.worker.operations.random.uniform", lambda *_: 1000.0)
    waiting(look)

    async with working(app):
        await auntil(lambda: look.value("select wake_mode from worker") == "notify", "a worker that listens")
        await asyncio.to_thread(start, app)
        await auntil(lambda: done(look), "the end of the operation")


async def test_a_worker_that_does_not_hear_of_one_looks_by_itself(
    app: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Operations, "wanted", lambda self: None)
    waiting(look)

    async with working(app):
        await auntil(lambda: look.value("select wake_mode from worker") == "notify", "a worker that listens")
        start(app)
        await auntil(lambda: done(look), "the end of the operation")


class Link:
    """A link whose first steps take too long."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.asked = list(errors), []  # type: ignore[var-annotated]

    async def run(self, call: Any) -> Any:
        """Fail, or say that there is nothing to do."""
        self.asked.append((call.params[0], call.within))
        if self.errors:
            raise self.errors.pop(0)


async def test_a_step_that_takes_too_long_is_tried_with_one_job() -> None:
    """Such as the cancel of a node above a million others."""
    link = Link(Disconnected("slow", too_slow=True))
    operations = Operations(link, 0.03)  # type: ignore[arg-type]

    await operations.step()

    assert link.asked == [(1000, None), (1, 120.0)]


async def test_a_connection_that_broke_is_the_matter_of_the_loop() -> None:
    operations = Operations(Link(Disconnected("cut")), 0.03)  # type: ignore[arg-type]

    with pytest.raises(Disconnected):
        await operations.step()


async def test_a_ring_during_a_step_leads_to_another_look() -> None:
    link = Link()
    operations = Operations(link, 1000.0)  # type: ignore[arg-type]
    link.errors.append(Disconnected("cut"))
    operations.wanted()
    with pytest.raises(Disconnected):
        await operations.step()
    began = time.monotonic()

    operations.wanted()
    step = asyncio.create_task(operations.step())
    await asyncio.sleep(0)
    operations.wanted()
    await asyncio.wait_for(step, 10)

    assert time.monotonic() - began < 10
