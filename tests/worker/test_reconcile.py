"""How a worker looks for jobs that run under it and that it does not know of, with a database that answers as the test says."""

import asyncio
import math
import uuid
from typing import Any, cast

import pytest

from pgqueue.database import Link
from pgqueue.worker.maintenance import LATE, Maintenance
from pgqueue.worker.scheduler import Scheduler
from pgqueue.worker.signals import Alarm
from pgqueue.worker.sparse import SHARE

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


def _look(upkeep: Maintenance, database: Database) -> list[float | None]:
    """One round of the loop without its pause: how late the claims are that it asks for; None: all."""
    database.now += ROUND
    database.asked.clear()
    asyncio.run(upkeep._reconcile())
    return list(database.asked)


def _upkeep(database: Database, alarm: Alarm) -> Maintenance:
    scheduler = cast(Scheduler, None)
    return Maintenance(cast(Link, database), LEASE, uuid.uuid4, held=list, take_stuck=list, alarm=alarm, scheduler=scheduler)


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
