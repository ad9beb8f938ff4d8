"""How a worker looks for jobs that run under it and that it does not know of, with a database that answers as the test says."""

import asyncio
import math
import uuid
from collections.abc import Callable
from typing import Any, cast

import pytest

from pgqueue import JobContext
from pgqueue.database import Link
from pgqueue.database.connection import DEADLINE
from pgqueue.errors import Disconnected
from pgqueue.worker import maintenance
from pgqueue.worker.cancels import Cancels
from pgqueue.worker.maintenance import LATE, Maintenance
from pgqueue.worker.scheduler import Scheduler
from pgqueue.worker.signals import Alarm
from pgqueue.worker.slots import Slots
from pgqueue.worker.sparse import SHARE
from tests.worker.jobs import job

LEASE, GRACE = 30.0, 10.0
ROUND = LEASE / 3


class Database:
    """Answers looks that are whole after so many seconds, and others at once."""

    def __init__(self) -> None:
        self.now, self.takes = 1000.0, 0.0
        self.asked: list[float | None] = []

    async def run(self, call: Any) -> list[int]:
        within = call().params[-1]
        self.asked.append(within)
        self.now += self.takes if within is None else 0.0
        return []


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    database = Database()
    monkeypatch.setattr("time.monotonic", lambda: database.now)
    return database


def _look(upkeep: Maintenance, database: Database, pause: float = ROUND) -> list[float | None]:
    """One round of the loop after its pause: how late the claims are that it asks for; None: all."""
    database.now += pause
    database.asked.clear()
    asyncio.run(upkeep._reconcile())
    return list(database.asked)


def _upkeep(database: Any, alarm: Alarm, lease: float = LEASE, take_stuck: Callable[[], list[JobContext]] = list) -> Maintenance:
    scheduler = cast(Scheduler, None)
    return Maintenance(
        cast(Link, database), lease, uuid.uuid4, held=list, take_stuck=take_stuck, alarm=alarm, scheduler=scheduler
    )


def test_a_worker_looks_at_all_that_runs_while_that_is_cheap(database: Database) -> None:
    upkeep = _upkeep(database, Alarm())
    assert [_look(upkeep, database) for _ in range(3)] == [[None]] * 3


def test_while_that_is_slow_it_looks_at_nothing_if_all_claims_were_answered(database: Database) -> None:
    upkeep = _upkeep(database, Alarm())
    database.takes = 1.0
    assert [_look(upkeep, database) for _ in range(3)] == [[None], [], []]
    database.now += SHARE * database.takes
    assert _look(upkeep, database) == [None]


def test_of_claims_that_were_not_answered_it_sees_each_once_they_are_older_than_the_grace(database: Database) -> None:
    alarm = Alarm()
    assert alarm.unanswered_at == -math.inf
    upkeep = _upkeep(database, alarm)
    database.takes = 4.0
    _look(upkeep, database)
    _look(upkeep, database)
    lost_at = alarm.unanswered_at = database.now + 1.0
    seen = []
    for _ in range(20):
        began = database.now + ROUND
        seen += [1 for within in _look(upkeep, database) if within and began - within - LATE < lost_at < began - GRACE]
    assert len(seen) >= 1
    assert _look(upkeep, database) == []


def test_with_a_short_lease_too_it_sees_a_claim_that_was_made_long_before_it_was_known_to_be_unanswered(
    database: Database,
) -> None:
    alarm = Alarm()
    upkeep = _upkeep(database, alarm, lease=1.0)
    database.takes = 4.0
    assert [_look(upkeep, database, 0.3) for _ in range(2)] == [[None], []]
    alarm.unanswered_at = database.now + 0.1
    (within,) = _look(upkeep, database, 0.3)
    assert within is not None
    assert database.now - within < alarm.unanswered_at - DEADLINE


class Refusing:
    """Does not answer the first calls; keeps the parameters of all."""

    def __init__(self, refused: int) -> None:
        self._refused, self.asked = refused, list[Any]()

    async def run(self, call: Any) -> list[int]:
        self.asked.append([*call.params[1]])
        if len(self.asked) <= self._refused:
            raise Disconnected("gone")
        return []


async def test_stuck_jobs_are_given_back_again_until_that_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole looks may be rare, and others leave out jobs that were claimed long ago."""
    monkeypatch.setattr(maintenance, "STUCK_EVERY", 0.0)
    stuck, refusing = [[job(1), job(2)], [job(3)]], Refusing(1)
    upkeep = _upkeep(refusing, Alarm(), take_stuck=lambda: stuck.pop(0) if stuck else [])
    with pytest.raises(Disconnected):
        await upkeep._give_back()
    for _ in range(3):
        await upkeep._give_back()
    assert refusing.asked == [[1, 2], [1, 2, 3]]


class SlowDatabase(Database):
    """Whole looks for jobs to rescue, and for runs to cancel, take a second. Keeps which of them were whole."""

    def __init__(self, now: float) -> None:
        super().__init__()
        self.now, self.takes = now, 1.0
        self.whole: list[bool] = []

    async def run(self, call: Any) -> Any:
        params = call().params if callable(call) else call.params
        if not params:
            return 0
        whole = params[1] if len(params) == 2 else params[3] is None
        self.whole.append(whole)
        self.now += self.takes if whole else 0.0
        return 0 if len(params) == 2 else []


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> SlowDatabase:
    slow = SlowDatabase(1000.0)
    monkeypatch.setattr("time.monotonic", lambda: slow.now)
    return slow


def test_while_a_look_for_lost_jobs_is_slow_most_are_for_those_of_workers_that_were_lost_lately(slow: SlowDatabase) -> None:
    upkeep = _upkeep(slow, Alarm())
    for pause in (ROUND, ROUND, SHARE * slow.takes):
        slow.now += pause
        asyncio.run(upkeep._rescue_lost())
    assert slow.whole == [True, False, True]


def test_while_a_look_for_cancelled_jobs_is_slow_most_are_at_young_claims(slow: SlowDatabase) -> None:
    cancels = Cancels(cast(Link, slow), LEASE, uuid.uuid4, cast(Slots, None), lambda: True)
    for pause, only_held in ((ROUND, False), (ROUND, False), (SHARE * slow.takes, True), (0.0, False)):
        slow.now += pause
        asyncio.run(cancels._ask([1], only_held))
    assert slow.whole == [True, False, False, True]
