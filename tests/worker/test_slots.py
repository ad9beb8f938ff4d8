"""The slots that handlers run in, without a database."""

import asyncio
import time
from typing import Any

import pytest

from pgqueue import PgQueue
from pgqueue.worker.signals import Alarm
from pgqueue.worker.slots import Slots
from tests.waiting import auntil
from tests.worker.jobs import job
from tests.worker.slots_harness import CONCURRENCY, SlotsHarness


async def test_there_is_room_for_as_many_jobs_as_there_are_slots(harness: SlotsHarness) -> None:
    assert await harness.room() == CONCURRENCY


async def test_a_long_job_that_is_about_to_start_does_not_hide_the_other_slots(harness: SlotsHarness) -> None:
    harness.slots.add([job(1)])
    assert await harness.room() == CONCURRENCY - 1
    assert harness.started == [1]


async def test_no_more_jobs_start_than_there_are_slots(harness: SlotsHarness) -> None:
    harness.slots.add([job(n) for n in range(10)])
    await auntil(lambda: len(harness.started) == CONCURRENCY, "the first jobs")
    assert await harness.no_room()
    assert harness.started == [0, 1, 2]
    assert [waiting.id for waiting in harness.slots.waiting] == list(range(3, 10))
    harness.gate.set()
    await harness.ended(10)
    assert harness.started == list(range(10))
    assert await harness.room() >= CONCURRENCY


async def test_when_too_many_outcomes_wait_nothing_starts_until_there_is_room(harness: SlotsHarness) -> None:
    harness.full = True
    harness.slots.add([job(1)])
    assert await harness.no_room()
    assert harness.started == []
    harness.full = False
    harness.slots.go_on()
    await auntil(lambda: harness.started == [1], "the job")


async def test_a_claimer_that_waited_for_outcomes_to_be_taken_goes_on(harness: SlotsHarness) -> None:
    harness.full = True
    room = asyncio.create_task(harness.room())
    await asyncio.sleep(0)
    harness.full = False
    harness.slots.go_on()
    assert await room == CONCURRENCY


async def test_after_stop_nothing_is_taken(harness: SlotsHarness) -> None:
    harness.slots.add([job(n) for n in range(5)])
    await auntil(lambda: len(harness.started) == CONCURRENCY, "the first jobs")
    harness.slots.stop()
    harness.slots.add([job(99)])
    harness.gate.set()
    assert await harness.slots.wait_idle(5)
    assert sorted(outcome.job.id for outcome in harness.outcomes) == [0, 1, 2]
    assert not harness.slots.waiting


async def test_dropped_jobs_have_no_outcome_and_the_slots_go_on(harness: SlotsHarness) -> None:
    harness.slots.add([job(n) for n in range(5)])
    await auntil(lambda: len(harness.started) == CONCURRENCY, "the first jobs")
    await harness.slots.drop()
    assert (harness.outcomes, harness.slots.running, list(harness.slots.waiting)) == ([], {}, [])
    harness.gate.set()
    harness.slots.add([job(n) for n in range(10, 20)])
    await harness.ended(10)


async def test_a_handler_s_own_cancellation_after_a_drop_is_its_failure(harness: SlotsHarness) -> None:
    harness.slots.add([job(n) for n in range(3)])
    await auntil(lambda: len(harness.started) == CONCURRENCY, "the first jobs")
    await harness.slots.drop()
    harness.slots.add([job(n, task="own_cancel") for n in range(10, 20)])
    await harness.ended(10)
    assert {outcome.state for outcome in harness.outcomes} == {"failed"}


async def test_a_job_that_is_claimed_again_while_its_first_run_goes_on_is_still_known_as_running(harness: SlotsHarness) -> None:
    stubborn_may_end = asyncio.Event()
    app = PgQueue("postgresql://nobody@localhost:1/nothing")
    runs: list[int] = []

    @app.task
    async def handler() -> Any:
        runs.append(1)
        if len(runs) == 1:
            while not stubborn_may_end.is_set():
                try:
                    await stubborn_may_end.wait()
                except asyncio.CancelledError:
                    continue
        else:
            await harness.gate.wait()

    slots = Slots(app.tasks, CONCURRENCY, harness.outcomes.append, lambda: False, Alarm())
    slots.add([job(1)])
    await auntil(lambda: len(runs) == 1, "the first run")
    await slots.drop()
    slots.add([job(1)])
    await auntil(lambda: len(runs) == 2, "the second run")
    stubborn_may_end.set()
    await harness.ended(1)
    assert list(slots.running) == [1], "otherwise it would be given back while it runs"
    harness.gate.set()
    await harness.ended(2)
    await slots.close()


async def test_handlers_that_never_wait_let_the_event_loop_go_on(harness: SlotsHarness) -> None:
    harness.gate.set()
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    harness.slots.add([job(n) for n in range(5000)])
    await harness.ended(5000)
    counting.cancel()
    assert turns > 5


async def test_jobs_that_wait_behind_slow_handlers_are_let_go(harness: SlotsHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness.slots.add([job(n) for n in range(10)])
    await auntil(lambda: len(harness.started) == CONCURRENCY, "the first jobs")
    assert harness.slots.take_stuck() == []
    monkeypatch.setattr("pgqueue.worker.slots.STUCK", 0.0)
    assert [stuck.id for stuck in harness.slots.take_stuck()] == list(range(3, 10))
    assert not harness.slots.waiting


async def test_jobs_that_wait_while_nothing_may_start_are_let_go(harness: SlotsHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness.slots._room.last_start = time.perf_counter()
    harness.full = True
    harness.slots.add([job(1)])
    assert harness.slots.take_stuck() == [], "it may be over soon"
    monkeypatch.setattr("pgqueue.worker.slots.STUCK", 0.0)
    assert [stuck.id for stuck in harness.slots.take_stuck()] == [1]
    assert not harness.slots.waiting


async def test_there_is_no_room_while_jobs_wait_behind_slow_handlers(
    harness: SlotsHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgqueue.worker.room.AHEAD", 0.0)
    harness.slots.add([job(n) for n in range(10)])
    await auntil(lambda: len(harness.started) == CONCURRENCY, "the first jobs")
    harness.slots._pace.low = 500
    assert await harness.no_room()
