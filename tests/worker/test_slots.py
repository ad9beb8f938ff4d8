"""The slots that handlers run in, without a database."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pgqueue import JobContext, PgQueue
from pgqueue.worker.execute import Outcome
from pgqueue.worker.slots import Slots
from tests.waiting import auntil
from tests.worker.jobs import job, limited_job

CONCURRENCY = 3


class Desk:
    """Slots with a task `handler` whose jobs run until `gate` opens."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.started: list[int] = []
        self.outcomes: list[Outcome] = []
        self.full = False
        app = PgQueue("postgresql://nobody@localhost:1/nothing")

        @app.task
        async def handler(ctx: JobContext) -> None:
            self.started.append(ctx.id)
            await self.gate.wait()

        @app.task
        async def own_cancel() -> None:
            raise asyncio.CancelledError

        self.slots = Slots(app.tasks, CONCURRENCY, self.outcomes.append, lambda: self.full)

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


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    yield desk
    desk.gate.set()
    await desk.slots.close()


async def test_there_is_room_for_as_many_jobs_as_there_are_slots(desk: Desk) -> None:
    assert await desk.room() == CONCURRENCY


async def test_a_long_job_that_is_about_to_start_does_not_hide_the_other_slots(desk: Desk) -> None:
    desk.slots.add([job(1)])
    assert await desk.room() == CONCURRENCY - 1
    assert desk.started == [1]


async def test_no_more_jobs_start_than_there_are_slots(desk: Desk) -> None:
    desk.slots.add([job(n) for n in range(10)])
    await auntil(lambda: len(desk.started) == CONCURRENCY, "the first jobs")
    assert await desk.no_room()
    assert desk.started == [0, 1, 2]
    assert [waiting.id for waiting in desk.slots.waiting] == list(range(3, 10))
    desk.gate.set()
    await desk.ended(10)
    assert desk.started == list(range(10))
    assert await desk.room() >= CONCURRENCY


async def test_when_too_many_outcomes_wait_nothing_starts_until_there_is_room(desk: Desk) -> None:
    desk.full = True
    desk.slots.add([job(1)])
    assert await desk.no_room()
    assert desk.started == []
    desk.full = False
    desk.slots.go_on()
    await auntil(lambda: desk.started == [1], "the job")


async def test_a_claimer_that_waited_for_outcomes_to_be_taken_goes_on(desk: Desk) -> None:
    desk.full = True
    room = asyncio.create_task(desk.room())
    await asyncio.sleep(0)
    desk.full = False
    desk.slots.go_on()
    assert await room == CONCURRENCY


async def test_after_stop_nothing_is_taken(desk: Desk) -> None:
    desk.slots.add([job(n) for n in range(5)])
    await auntil(lambda: len(desk.started) == CONCURRENCY, "the first jobs")
    desk.slots.stop()
    desk.slots.add([job(99)])
    desk.gate.set()
    assert await desk.slots.wait_idle(5)
    assert sorted(outcome.job.id for outcome in desk.outcomes) == [0, 1, 2]
    assert not desk.slots.waiting


async def test_dropped_jobs_have_no_outcome_and_the_slots_go_on(desk: Desk) -> None:
    desk.slots.add([job(n) for n in range(5)])
    await auntil(lambda: len(desk.started) == CONCURRENCY, "the first jobs")
    await desk.slots.drop()
    assert (desk.outcomes, desk.slots.running, list(desk.slots.waiting)) == ([], {}, [])
    desk.gate.set()
    desk.slots.add([job(n) for n in range(10, 20)])
    await desk.ended(10)


async def test_a_handler_s_own_cancellation_after_a_drop_is_its_failure(desk: Desk) -> None:
    desk.slots.add([job(n) for n in range(3)])
    await auntil(lambda: len(desk.started) == CONCURRENCY, "the first jobs")
    await desk.slots.drop()
    desk.slots.add([job(n, task="own_cancel") for n in range(10, 20)])
    await desk.ended(10)
    assert {outcome.state for outcome in desk.outcomes} == {"failed"}


async def test_a_job_that_is_claimed_again_while_its_first_run_goes_on_is_still_known_as_running(desk: Desk) -> None:
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
            await desk.gate.wait()

    slots = Slots(app.tasks, CONCURRENCY, desk.outcomes.append, lambda: False)
    slots.add([job(1)])
    await auntil(lambda: len(runs) == 1, "the first run")
    await slots.drop()
    slots.add([job(1)])
    await auntil(lambda: len(runs) == 2, "the second run")
    stubborn_may_end.set()
    await desk.ended(1)
    assert list(slots.running) == [1], "otherwise it would be given back while it runs"
    desk.gate.set()
    await desk.ended(2)
    await slots.close()


async def test_handlers_that_never_wait_let_the_event_loop_go_on(desk: Desk) -> None:
    desk.gate.set()
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    desk.slots.add([job(n) for n in range(5000)])
    await desk.ended(5000)
    counting.cancel()
    assert turns > 5


async def test_jobs_that_wait_behind_slow_handlers_are_let_go(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.slots.add([job(n) for n in range(10)])
    await auntil(lambda: len(desk.started) == CONCURRENCY, "the first jobs")
    assert desk.slots.take_stuck() == []
    monkeypatch.setattr("pgqueue.worker.slots.STUCK", 0.0)
    assert [stuck.id for stuck in desk.slots.take_stuck()] == list(range(3, 10))
    assert not desk.slots.waiting


async def test_jobs_that_wait_while_nothing_may_start_are_let_go(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.slots._last_start = time.perf_counter()
    desk.full = True
    desk.slots.add([job(1)])
    assert desk.slots.take_stuck() == [], "it may be over soon"
    monkeypatch.setattr("pgqueue.worker.slots.STUCK", 0.0)
    assert [stuck.id for stuck in desk.slots.take_stuck()] == [1]
    assert not desk.slots.waiting


async def test_there_is_no_room_while_jobs_wait_behind_slow_handlers(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgqueue.worker.slots.AHEAD", 0.0)
    desk.slots.add([job(n) for n in range(10)])
    await auntil(lambda: len(desk.started) == CONCURRENCY, "the first jobs")
    desk.slots._pace.low = 500
    assert await desk.no_room()


def _fetch_ahead(slots: Slots) -> None:
    """Handlers were fast so far."""
    slots._pace.low, slots._pace._prefetch = 500, 1000


def _waiting(desk: Desk) -> list[int]:
    return [waiting.id for waiting in desk.slots.waiting]


async def test_jobs_with_limits_go_in_front_of_those_without_behind_their_like(desk: Desk) -> None:
    desk.full = True  # nothing starts
    desk.slots.add([limited_job(3), limited_job(4), job(1), job(2)])
    desk.slots.add([limited_job(6), job(5)])
    desk.slots.add([job(7)])
    desk.slots.add([limited_job(8), limited_job(9)])
    assert _waiting(desk) == [3, 4, 6, 8, 9, 1, 2, 5, 7]
    desk.full = False
    desk.gate.set()
    desk.slots.go_on()
    await desk.ended(9)
    assert desk.started == [3, 4, 6, 8, 9, 1, 2, 5, 7]


async def test_those_that_started_meanwhile_do_not_put_the_order_wrong(desk: Desk) -> None:
    desk.slots.add([limited_job(n) for n in range(10, 13)] + [job(n) for n in range(5)])
    await auntil(lambda: len(desk.started) == CONCURRENCY, "the first jobs")
    desk.slots.add([limited_job(13), job(5)])
    assert (desk.started, _waiting(desk)) == ([10, 11, 12], [13, 0, 1, 2, 3, 4, 5])


async def test_jobs_with_limits_are_asked_for_only_as_far_as_they_would_start_at_once(desk: Desk) -> None:
    _fetch_ahead(desk.slots)
    assert await desk.room() == 500
    assert await desk.limited_room() == CONCURRENCY
    desk.slots.add([limited_job(2), job(1)])
    await auntil(lambda: len(desk.started) == 2, "both")
    assert await desk.limited_room() == CONCURRENCY - 2
    desk.full = True
    desk.slots.add([limited_job(3)])
    desk.full = False
    assert await desk.limited_room() == 0, "it counts although it has not started"


async def test_while_others_have_every_slot_those_with_limits_get_what_comes_free_in_a_moment(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what is fetched ahead would keep them out for as long as there is any."""
    _fetch_ahead(desk.slots)
    desk.slots.add([job(n) for n in range(20)])
    await auntil(lambda: len(desk.started) == CONCURRENCY, "the first jobs")
    assert await desk.room() > CONCURRENCY
    assert await desk.limited_room() == 1
    desk.slots._pace._rate = 1000.0
    assert await desk.limited_room() == CONCURRENCY, "20 in 20 ms, in three slots"
    desk.full = True
    desk.slots.add([limited_job(n) for n in range(30, 32)])
    desk.full = False
    assert await desk.limited_room() == CONCURRENCY - 2
    monkeypatch.setattr("pgqueue.worker.slots.AHEAD", 0.0)
    assert desk.slots._limited_room() < 0, "the slots do not come free after all"


async def test_slots_of_jobs_with_limits_are_not_given_to_others_before_they_are_free(desk: Desk) -> None:
    _fetch_ahead(desk.slots)
    desk.slots._pace._rate = 1000.0
    desk.slots.add([limited_job(n) for n in range(CONCURRENCY)])
    await auntil(lambda: len(desk.started) == CONCURRENCY, "the first jobs")
    assert await desk.limited_room() == 0
    desk.gate.set()
    await desk.ended(CONCURRENCY)
    assert await desk.limited_room() == CONCURRENCY


async def test_of_brief_jobs_with_limits_as_many_are_asked_for_as_start_within_20_ms(desk: Desk) -> None:
    _fetch_ahead(desk.slots)
    desk.slots._pace._rate = 10_000.0
    assert await desk.limited_room() == CONCURRENCY, "nothing is known of jobs with limits"
    desk.slots._pace._limited_mean = 0.0
    assert await desk.limited_room() == 200


async def test_jobs_that_wait_for_their_parents_take_up_room_for_limits(desk: Desk) -> None:
    held = limited_job(1)
    desk.slots.prepare([held])
    assert await desk.limited_room() == CONCURRENCY - 1
    assert desk.slots.prepared([held]) == [held]
    assert await desk.limited_room() == CONCURRENCY


async def test_whoever_found_too_little_room_for_limits_is_told_when_half_of_it_is_free(desk: Desk) -> None:
    told = []
    desk.slots.on_limited_room = lambda: told.append(len(desk.slots.running))
    desk.slots.add([job(n) for n in range(CONCURRENCY)])
    await auntil(lambda: len(desk.started) == CONCURRENCY, "the first jobs")
    assert told == [], "nobody has asked"
    assert not desk.slots.has_limited_room()
    desk.gate.set()
    await desk.ended(CONCURRENCY)
    assert told == [1], "once, with two of three free"
    assert desk.slots.has_limited_room()


@pytest.mark.parametrize("gone", ["cancel", "drop", "take_stuck"])
async def test_what_is_gone_before_it_started_takes_up_no_room_for_limits(
    desk: Desk, gone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fetch_ahead(desk.slots)
    desk.full = True
    desk.slots.add([*(limited_job(n) for n in range(2, 5)), job(1)])
    desk.full = False
    assert await desk.limited_room() == 0
    if gone == "cancel":
        desk.slots.cancel([1, 2, 4])
        assert (_waiting(desk), await desk.limited_room()) == ([3], CONCURRENCY - 1)
        desk.slots.cancel([3])
    elif gone == "drop":
        await desk.slots.drop()
    else:
        monkeypatch.setattr("pgqueue.worker.slots.STUCK", 0.0)
        desk.full = True
        assert len(desk.slots.take_stuck()) == 4
        desk.full = False
    assert await desk.limited_room() == CONCURRENCY
    desk.slots.add([limited_job(6), job(5)])
    await auntil(lambda: len(desk.started) == 2, "the next")
    assert desk.started == [6, 5]
