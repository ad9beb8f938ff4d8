"""When the claimer looks again, with a database that answers as the test says."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from pgqueue import JobContext
from pgqueue.database import Link
from pgqueue.database.call import Call
from pgqueue.database.calls.run import Claimed
from pgqueue.errors import Disconnected
from pgqueue.worker import claim
from pgqueue.worker.claim import BACKSTOP, ROOM_AGAIN, USUAL, Claimer
from pgqueue.worker.foreign import Foreign
from pgqueue.worker.signals import Alarm
from pgqueue.worker.slots import Slots
from tests.waiting import auntil
from tests.worker.jobs import THEN, sent

WANT, LIMITED = 100, 10
NEVER = 600.0


def _rows(count: int, limits: list[str] | None = None) -> list[tuple[Any, ...]]:
    return [(n, "default", "task", "{}", 1, 4, 0, sent(THEN), sent(THEN), None, None, limits) for n in range(count)]


class RecordingAlarm(Alarm):
    """Notes how long the claimer means to wait, and does not let it wait when `lapse` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.timeouts: list[float] = []
        self.lapse = True

    async def wait(self, timeout: float) -> bool:
        self.timeouts.append(timeout)
        return await super().wait(0 if self.lapse else timeout)


class Database:
    """Answers claims: how many jobs, and when to look again; then nothing is there."""

    def __init__(self, *answers: tuple[int, float | None]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[int, int]] = []
        self.limits: list[str] | None = None  # of the jobs

    async def run(self, call: Call[Any]) -> Claimed:
        want, limited = call.params[3], call.params[6]
        self.asked.append((want, limited))
        await asyncio.sleep(0)
        count, again_in = self.answers.pop(0) if self.answers else (0, None)
        return Claimed(_rows(count, self.limits), again_in)


class RoomySlots:
    """Slots that always have the same room.

    Attributes:
        expected: jobs that are about to be added.
    """

    def __init__(self, limited: int, has_limited_room: bool) -> None:
        self.limited, self.is_roomy = limited, has_limited_room
        self.expected = 0

    def hold_few(self, is_large: bool) -> None:
        pass

    def expect(self, count: int) -> None:
        self.expected += count

    async def room(self) -> tuple[int, int]:
        return WANT, self.limited

    def has_limited_room(self) -> bool:
        return self.is_roomy


@asynccontextmanager
async def claiming(
    database: Database,
    slots: RoomySlots,
    alarm: Alarm,
    add: Callable[[list[JobContext]], None] = lambda jobs: None,
    is_current: Callable[[uuid.UUID], bool] = lambda id: True,
    foreign: Foreign | None = None,
) -> AsyncIterator[None]:
    id = uuid.uuid4()

    async def worker_id() -> uuid.UUID:
        return id

    async def nothing(*args: Any) -> None: ...

    claimer = Claimer(
        cast(Link, database),
        worker_id,
        cast(Slots, slots),
        ["default"],
        None,
        alarm,
        nothing,
        nothing,
        add=add,
        is_current=is_current,
        foreign=foreign,
    )
    run = asyncio.create_task(claimer.run())
    yield
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


async def _first_wait(answer: tuple[int, float | None], limited: int = LIMITED, roomy: bool = True) -> float:
    """How long the claimer waits after this answer to its first claim."""
    alarm = RecordingAlarm()
    alarm.lapse = False
    async with claiming(Database(answer), RoomySlots(limited, roomy), alarm):
        await auntil(lambda: alarm.timeouts, "the end of a claim")
    return alarm.timeouts[0]


async def test_where_no_job_waits_for_a_limit_only_the_backstop_is_waited_for() -> None:
    assert await _first_wait((0, None)) >= BACKSTOP * 0.8


async def test_it_looks_again_when_the_limits_allow() -> None:
    assert await _first_wait((5, 0.3)) == 0.3
    assert await _first_wait((5, 30.0)) <= BACKSTOP * 1.1, "the backstop stays"


async def test_many_workers_do_not_all_look_in_the_moment_in_which_the_limits_allow() -> None:
    alarm = RecordingAlarm()
    alarm.workers = 50
    async with claiming(Database(*[(0, 0.3)] * 50), RoomySlots(LIMITED, True), alarm):
        await auntil(lambda: len(alarm.timeouts) >= 50, "the claims")
    waits = alarm.timeouts[:50]
    assert min(waits) >= 0.3
    assert max(waits) <= 0.5 + 0.01
    assert len(set(waits)) > 10


async def test_what_can_be_had_now_is_asked_for_at_once_while_there_is_room() -> None:
    assert await _first_wait((5, -0.1)) == 0


async def test_what_another_claim_has_in_hand_is_tried_again_after_about_half_the_time_of_a_claim() -> None:
    assert 0.25 * USUAL <= await _first_wait((0, -0.1)) <= 0.75 * USUAL


@pytest.mark.parametrize(("workers", "fifth", "fortieth"), [(1, 1, 36), (4, 4, 144), (100, 16, 3600)])
async def test_the_more_workers_want_the_same_limit_and_the_more_tries_were_in_vain_the_longer_each_waits(
    workers: int, fifth: int, fortieth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: (low + high) / 2)
    alarm = RecordingAlarm()
    alarm.workers = workers
    async with claiming(Database(*[(0, -0.1)] * 50), RoomySlots(LIMITED, True), alarm):
        await auntil(lambda: len(alarm.timeouts) >= 50, "the claims")
    waits = [alarm.timeouts[0], alarm.timeouts[4], alarm.timeouts[39], alarm.timeouts[49]]
    longest = min(USUAL / 2 * fortieth, BACKSTOP)
    assert waits == pytest.approx([USUAL / 2, USUAL / 2 * fifth, longest, longest], rel=0.05)


async def test_what_can_be_had_now_but_finds_too_little_room_is_looked_at_soon() -> None:
    assert await _first_wait((0, -0.1), limited=0, roomy=False) == ROOM_AGAIN
    assert await _first_wait((5, -0.1), roomy=False) == ROOM_AGAIN


async def test_a_nudge_wakes_the_claimer_and_is_no_ring() -> None:
    alarm = Alarm()
    alarm.nudge()
    assert not await alarm.wait(NEVER)
    assert not alarm.scheduled.is_set()
    alarm.nudge()
    alarm.ring()
    assert await alarm.wait(NEVER)
    assert alarm.scheduled.is_set(), "for whoever promotes"
    assert not await alarm.wait(0)


async def test_a_nudge_wakes_a_claimer_that_waits() -> None:
    database, alarm = Database(), RecordingAlarm()
    alarm.lapse = False
    async with claiming(database, RoomySlots(LIMITED, True), alarm):
        await auntil(lambda: alarm.timeouts, "the end of the first claim")
        alarm.nudge()
        await auntil(lambda: len(database.asked) == 2, "another claim", within=BACKSTOP / 2)


@pytest.mark.parametrize("disturb", ["nudge", "limits"])
async def test_looks_after_a_wake_up_are_made_at_their_time_whatever_makes_the_claimer_look_before(
    disturb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever enqueues within the window of a wake-up does not notify."""
    monkeypatch.setattr(claim, "TRAILING", (0.2, 0.3))
    again_in = 0.01 if disturb == "limits" else None
    database, alarm = Database((0, None), *[(0, again_in)] * 1000), RecordingAlarm()
    alarm.lapse = False
    loop = asyncio.get_running_loop()
    async with claiming(database, RoomySlots(LIMITED, True), alarm):
        await auntil(lambda: alarm.timeouts, "the end of the first claim")
        alarm.ring()
        until = loop.time() + 0.1
        while loop.time() < until:
            await asyncio.sleep(0.02)
            if disturb == "nudge":
                alarm.nudge()
        database.answers.clear()
        looks = len(database.asked)
        await auntil(lambda: len(database.asked) >= looks + 2, "the two looks", within=BACKSTOP * 0.7)


async def test_a_wake_up_that_comes_during_a_full_claim_is_followed_by_its_looks() -> None:
    database, alarm = Database((WANT, None)), RecordingAlarm()
    alarm.lapse = False
    async with claiming(database, RoomySlots(LIMITED, True), alarm):
        alarm.ring()
        await auntil(lambda: alarm.timeouts, "the end of the second claim")
    assert alarm.timeouts[0] == pytest.approx(claim.TRAILING[0])


class Added:
    """Keeps the jobs that a claimer adds, and how many claims were sent by then, and were expected."""

    def __init__(self, database: Database, slots: RoomySlots) -> None:
        self._database, self._slots = database, slots
        self.seen: list[tuple[int, int, int]] = []

    def __call__(self, jobs: list[JobContext]) -> None:
        self.seen.append((len(jobs), len(self._database.asked), self._slots.expected))


async def test_the_next_claim_is_sent_before_jobs_are_made_of_the_rows_of_the_last() -> None:
    database, slots = Database((WANT, None), (WANT, None), (3, None)), RoomySlots(0, False)
    added = Added(database, slots)
    alarm = RecordingAlarm()
    alarm.lapse = False
    async with claiming(database, slots, alarm, added):
        await auntil(lambda: len(added.seen) >= 3, "the jobs")
    assert added.seen[:3] == [(WANT, 2, 0), (WANT, 3, 0), (3, 3, 0)], (
        "what was expected is counted until it is added, and no longer"
    )


@pytest.mark.parametrize(("limits", "again_in"), [(["key"], None), (None, 0.3)], ids=["all", "others wait"])
async def test_jobs_with_limits_are_added_at_once(limits: list[str] | None, again_in: float | None) -> None:
    """They were counted as started, and the next claim counts the places that they have taken."""
    database, slots = Database((WANT, again_in)), RoomySlots(WANT, True)
    database.limits = limits
    added = Added(database, slots)
    async with claiming(database, slots, RecordingAlarm(), added):
        await auntil(lambda: added.seen, "the jobs")
    assert added.seen[0] == (WANT, 1, 0)


async def test_jobs_of_an_id_that_was_lost_meanwhile_are_not_added() -> None:
    database, slots = Database((WANT, None), (3, None)), RoomySlots(0, False)
    added = Added(database, slots)
    async with claiming(database, slots, RecordingAlarm(), added, is_current=lambda id: False):
        await auntil(lambda: len(database.asked) >= 3, "the claims")
    assert (added.seen, slots.expected) == ([], 0)


async def test_a_claim_that_is_not_answered_is_noted_and_asked_again_under_its_token() -> None:
    """It may have taken jobs: see reconcile."""
    database, alarm = Unanswering(1), RecordingAlarm()
    async with claiming(database, RoomySlots(0, False), alarm):
        await auntil(lambda: len(database.tokens) >= 2, "the second try")
    assert database.tokens[0] == database.tokens[1]
    assert alarm.unanswered_at > 0


class Unanswering(Database):
    """Does not answer the first claims. Keeps the tokens of all, and what is given back."""

    def __init__(self, times: int, *answers: tuple[int, float | None]) -> None:
        super().__init__(*answers)
        self._times = times
        self.tokens, self.given_back = list[uuid.UUID](), list[list[int]]()

    async def run(self, call: Call[Any]) -> Any:
        if len(call.params) == 2:
            self.given_back.append(call.params[1])
            return []
        self.tokens.append(call.params[1])
        if len(self.tokens) <= self._times:
            raise Disconnected("gone")
        return await super().run(call)


async def test_jobs_of_tasks_that_the_worker_has_not_are_given_back_of_a_full_claim_too() -> None:
    database, slots = Unanswering(0, (WANT, None)), RoomySlots(0, False)
    added = Added(database, slots)
    foreign = Foreign(["another"])
    async with claiming(database, slots, RecordingAlarm(), added, foreign=foreign):
        await auntil(lambda: database.given_back, "the jobs that are given back")
    assert database.given_back == [list(range(WANT))]
    assert added.seen[0][0] == 0


class Walking(Database):
    """Full claims take long, and the later ones miss their deadline. Keeps where claims resume."""

    def __init__(self, answered: int) -> None:
        super().__init__((WANT, None))
        self._answered, self.resumed = answered, list[bool]()

    async def run(self, call: Call[Any]) -> Claimed:
        is_full = call.params[5] is None
        self.resumed.append(not is_full)
        if is_full:
            await asyncio.sleep(0.02)
            self._answered -= 1
            if self._answered < 0:
                raise Disconnected("too slow", too_slow=True)
        return await super().run(call)


async def test_after_a_full_claim_that_misses_its_deadline_claims_resume_where_the_last_ones_were() -> None:
    """Else it would be made again and again, and the worker would get nothing."""
    database = Walking(1)
    async with claiming(database, RoomySlots(0, False), RecordingAlarm()):
        await auntil(lambda: len(database.resumed) >= 5, "the claims")
    assert database.resumed[:5] == [False, True, False, True, False]


async def test_a_full_claim_that_misses_its_deadline_is_made_again_if_there_is_no_place_to_resume() -> None:
    database = Walking(0)
    async with claiming(database, RoomySlots(0, False), RecordingAlarm()):
        await auntil(lambda: len(database.resumed) >= 3, "the claims")
    assert not any(database.resumed)
