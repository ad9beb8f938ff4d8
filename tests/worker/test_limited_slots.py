"""Which jobs with limits the slots have room for, and in which order they start."""

import pytest

from pgqueue.worker.pace import SOON
from pgqueue.worker.room import MOST_BRIEF
from pgqueue.worker.slots import Slots
from tests.waiting import auntil
from tests.worker.desk import CONCURRENCY, Desk
from tests.worker.jobs import job, limited_job


def _fetch_ahead(slots: Slots) -> None:
    """Handlers were fast so far."""
    slots._pace.low, slots._pace._prefetch, slots._pace.free_soon = 500, 1000, 1


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
    desk.slots._pace.free_soon = 20
    assert await desk.limited_room() == CONCURRENCY, "20 in 20 ms, in three slots"
    desk.full = True
    desk.slots.add([limited_job(n) for n in range(30, 32)])
    desk.full = False
    assert await desk.limited_room() == CONCURRENCY - 2
    monkeypatch.setattr("pgqueue.worker.room.AHEAD", 0.0)
    assert desk.slots._room.limited(0, len(desk.slots.running)) < 0, "the slots do not come free after all"


async def test_slots_of_jobs_with_limits_are_not_given_to_others_before_they_are_free(desk: Desk) -> None:
    _fetch_ahead(desk.slots)
    desk.slots._pace.free_soon = 20
    desk.slots.add([limited_job(n) for n in range(CONCURRENCY)])
    await auntil(lambda: len(desk.started) == CONCURRENCY, "the first jobs")
    assert await desk.limited_room() == 0
    desk.gate.set()
    await desk.ended(CONCURRENCY)
    assert await desk.limited_room() == CONCURRENCY


async def test_of_brief_jobs_with_limits_as_many_are_asked_for_as_start_soon(desk: Desk) -> None:
    _fetch_ahead(desk.slots)
    assert await desk.limited_room() == CONCURRENCY, "nothing is known of jobs with limits"
    desk.slots._pace.started_soon = 5 * CONCURRENCY
    assert await desk.limited_room() == 5 * CONCURRENCY
    desk.slots._pace.started_soon = 1000
    assert await desk.limited_room() == MOST_BRIEF * CONCURRENCY, "the next ones may take longer"


async def test_no_more_than_there_are_slots_are_asked_for_where_brief_ones_have_become_long(desk: Desk) -> None:
    _fetch_ahead(desk.slots)
    desk.slots._pace.started_soon = 5 * CONCURRENCY
    desk.slots.add([limited_job(n) for n in range(CONCURRENCY)])
    await auntil(lambda: len(desk.started) == CONCURRENCY, "the first jobs")
    assert await desk.limited_room() == 4 * CONCURRENCY
    desk.slots._room.last_start -= 2 * SOON
    assert desk.slots._room.limited(0, len(desk.slots.running)) == 0


async def test_jobs_that_wait_for_their_parents_take_up_room_for_limits(desk: Desk) -> None:
    held = limited_job(1)
    desk.slots.prepare([held])
    assert await desk.limited_room() == CONCURRENCY - 1
    assert desk.slots.prepared([held]) == [held]
    assert await desk.limited_room() == CONCURRENCY


async def test_whoever_found_too_little_room_for_limits_is_told_when_half_of_it_is_free(desk: Desk) -> None:
    desk.slots.add([job(n) for n in range(CONCURRENCY)])
    await auntil(lambda: len(desk.started) == CONCURRENCY, "the first jobs")
    assert desk.nudged_at == [], "nobody has asked"
    assert not desk.slots.has_limited_room()
    desk.gate.set()
    await desk.ended(CONCURRENCY)
    assert desk.nudged_at == [1], "once, with two of three free"
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
