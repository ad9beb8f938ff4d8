"""Which jobs with limits the slots have room for, and in which order they start."""

import pytest

from pgqueue.worker.pace import SOON
from pgqueue.worker.room import MOST_BRIEF
from pgqueue.worker.slots import Slots
from tests.waiting import auntil
from tests.worker.jobs import job, limited_job
from tests.worker.slots_harness import CONCURRENCY, SlotsHarness


def _fetch_ahead(slots: Slots) -> None:
    """Handlers were fast so far."""
    slots._pace.low, slots._pace._prefetch, slots._pace.free_soon = 500, 1000, 1


def _waiting(harness: SlotsHarness) -> list[int]:
    return [waiting.id for waiting in harness.slots.waiting]


async def test_jobs_with_limits_go_in_front_of_those_without_behind_their_like(harness: SlotsHarness) -> None:
    harness.full = True  # nothing starts
    harness.slots.add([limited_job(3), limited_job(4), job(1), job(2)])
    harness.slots.add([limited_job(6), job(5)])
    harness.slots.add([job(7)])
    harness.slots.add([limited_job(8), limited_job(9)])
    assert _waiting(harness) == [3, 4, 6, 8, 9, 1, 2, 5, 7]
    harness.full = False
    harness.gate.set()
    harness.slots.go_on()
    await harness.ended(9)
    assert harness.started == [3, 4, 6, 8, 9, 1, 2, 5, 7]


async def test_those_that_started_meanwhile_do_not_put_the_order_wrong(harness: SlotsHarness) -> None:
    harness.slots.add([limited_job(n) for n in range(10, 13)] + [job(n) for n in range(5)])
    await auntil(lambda: len(harness.started) == CONCURRENCY, "the first jobs")
    harness.slots.add([limited_job(13), job(5)])
    assert (harness.started, _waiting(harness)) == ([10, 11, 12], [13, 0, 1, 2, 3, 4, 5])


async def test_jobs_with_limits_are_asked_for_only_as_far_as_they_would_start_at_once(harness: SlotsHarness) -> None:
    _fetch_ahead(harness.slots)
    assert await harness.room() == 500
    assert await harness.limited_room() == CONCURRENCY
    harness.slots.add([limited_job(2), job(1)])
    await auntil(lambda: len(harness.started) == 2, "both")
    assert await harness.limited_room() == CONCURRENCY - 2
    harness.full = True
    harness.slots.add([limited_job(3)])
    harness.full = False
    assert await harness.limited_room() == 0, "it counts although it has not started"


async def test_while_others_have_every_slot_those_with_limits_get_what_comes_free_in_a_moment(
    harness: SlotsHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what is fetched ahead would keep them out for as long as there is any."""
    _fetch_ahead(harness.slots)
    harness.slots.add([job(n) for n in range(20)])
    await auntil(lambda: len(harness.started) == CONCURRENCY, "the first jobs")
    assert await harness.room() > CONCURRENCY
    assert await harness.limited_room() == 1
    harness.slots._pace.free_soon = 20
    assert await harness.limited_room() == CONCURRENCY, "20 in 20 ms, in three slots"
    harness.full = True
    harness.slots.add([limited_job(n) for n in range(30, 32)])
    harness.full = False
    assert await harness.limited_room() == CONCURRENCY - 2
    monkeypatch.setattr("pgqueue.worker.room.AHEAD", 0.0)
    assert harness.slots._room.limited(0, len(harness.slots.running)) < 0, "the slots do not come free after all"


async def test_slots_of_jobs_with_limits_are_not_given_to_others_before_they_are_free(harness: SlotsHarness) -> None:
    _fetch_ahead(harness.slots)
    harness.slots._pace.free_soon = 20
    harness.slots.add([limited_job(n) for n in range(CONCURRENCY)])
    await auntil(lambda: len(harness.started) == CONCURRENCY, "the first jobs")
    assert await harness.limited_room() == 0
    harness.gate.set()
    await harness.ended(CONCURRENCY)
    assert await harness.limited_room() == CONCURRENCY


async def test_of_brief_jobs_with_limits_as_many_are_asked_for_as_start_soon(harness: SlotsHarness) -> None:
    _fetch_ahead(harness.slots)
    assert await harness.limited_room() == CONCURRENCY, "nothing is known of jobs with limits"
    harness.slots._pace.started_soon = 5 * CONCURRENCY
    assert await harness.limited_room() == 5 * CONCURRENCY
    harness.slots._pace.started_soon = 1000
    assert await harness.limited_room() == MOST_BRIEF * CONCURRENCY, "the next ones may take longer"


async def test_no_more_than_there_are_slots_are_asked_for_where_brief_ones_have_become_long(harness: SlotsHarness) -> None:
    _fetch_ahead(harness.slots)
    harness.slots._pace.started_soon = 5 * CONCURRENCY
    harness.slots.add([limited_job(n) for n in range(CONCURRENCY)])
    await auntil(lambda: len(harness.started) == CONCURRENCY, "the first jobs")
    harness.slots._room.last_start += 60  # a busy machine may take longer than SOON
    assert await harness.limited_room() == 4 * CONCURRENCY
    harness.slots._room.last_start -= 60 + 2 * SOON
    assert harness.slots._room.limited(0, len(harness.slots.running)) == 0


async def test_jobs_that_wait_for_their_parents_take_up_room_for_limits(harness: SlotsHarness) -> None:
    held = limited_job(1)
    harness.slots.prepare([held])
    assert await harness.limited_room() == CONCURRENCY - 1
    assert harness.slots.prepared([held]) == [held]
    assert await harness.limited_room() == CONCURRENCY


async def test_whoever_found_too_little_room_for_limits_is_told_when_half_of_it_is_free(harness: SlotsHarness) -> None:
    harness.slots.add([job(n) for n in range(CONCURRENCY)])
    await auntil(lambda: len(harness.started) == CONCURRENCY, "the first jobs")
    assert harness.nudged_at == [], "nobody has asked"
    assert not harness.slots.has_limited_room()
    harness.gate.set()
    await harness.ended(CONCURRENCY)
    assert harness.nudged_at == [1], "once, with two of three free"
    assert harness.slots.has_limited_room()


@pytest.mark.parametrize("gone", ["cancel", "drop", "take_stuck"])
async def test_what_is_gone_before_it_started_takes_up_no_room_for_limits(
    harness: SlotsHarness, gone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fetch_ahead(harness.slots)
    harness.full = True
    harness.slots.add([*(limited_job(n) for n in range(2, 5)), job(1)])
    harness.full = False
    assert await harness.limited_room() == 0
    if gone == "cancel":
        harness.slots.cancel([1, 2, 4])
        assert (_waiting(harness), await harness.limited_room()) == ([3], CONCURRENCY - 1)
        harness.slots.cancel([3])
    elif gone == "drop":
        await harness.slots.drop()
    else:
        monkeypatch.setattr("pgqueue.worker.slots.STUCK", 0.0)
        harness.full = True
        assert len(harness.slots.take_stuck()) == 4
        harness.full = False
    assert await harness.limited_room() == CONCURRENCY
    harness.slots.add([limited_job(6), job(5)])
    await auntil(lambda: len(harness.started) == 2, "the next")
    assert harness.started == [6, 5]
