"""How a worker looks for lanes that nobody looks at, with a database that answers as the test says."""

import asyncio
import random
import uuid
from typing import Any, cast

import pytest

from pgqueue.database import Link
from pgqueue.database.call import Call
from pgqueue.errors import Disconnected
from pgqueue.worker.maintenance import SWEEP_LANES_EVERY, SWEEP_LANES_SHARE, Maintenance
from pgqueue.worker.scheduler import Scheduler
from pgqueue.worker.signals import Alarm

LANES = [uuid.UUID(int=n) for n in (1, 2)]


class Database:
    """Answers sweeps: the lane to go on behind. An error is raised.

    Args:
        waits: seconds until the connection is free.
        takes: seconds of a sweep.
    """

    def __init__(self, *answers: uuid.UUID | Exception | None, waits: float = 0.0, takes: float = 0.0) -> None:
        self.answers, self.waits, self.takes = list(answers), waits, takes
        self.asked: list[uuid.UUID | None] = []
        self.now = 0.0

    async def run(self, call: Any) -> uuid.UUID | None:
        self.now += self.waits
        made: Call[Any] = call()
        self.asked.append(made.params[0])
        self.now += self.takes
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, none of which takes any time; they are not random."""
    made: list[float] = []

    async def sleep(seconds: float) -> None:
        made.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr(random, "uniform", lambda low, high: (low + high) / 2)
    return made


def _maintenance(database: Database, workers: int = 1) -> Maintenance:
    alarm = Alarm()
    alarm.workers = workers
    link = cast(Link, database)
    scheduler = Scheduler(link, alarm, {})
    return Maintenance(link, 30.0, uuid.uuid4, held=list, take_stuck=list, alarm=alarm, scheduler=scheduler)


async def test_a_sweep_goes_on_where_the_last_one_stopped_and_begins_anew_at_the_end(pauses: list[float]) -> None:
    database = Database(LANES[0], LANES[1], None, LANES[0])
    it = _maintenance(database)
    for _ in range(4):
        await it._sweep_lanes()
    assert database.asked == [None, *LANES, None]


async def test_a_sweep_that_was_not_answered_is_made_again_from_there(pauses: list[float]) -> None:
    database = Database(LANES[0], Disconnected("lost"), LANES[1])
    it = _maintenance(database)
    await it._sweep_lanes()
    with pytest.raises(Disconnected):
        await it._sweep_lanes()
    await it._sweep_lanes()
    assert database.asked == [None, LANES[0], LANES[0]]


async def test_all_workers_together_sweep_about_once_a_second(pauses: list[float]) -> None:
    for workers in (1, 7):
        await _maintenance(Database(None), workers)._sweep_lanes()
    assert pauses == pytest.approx([SWEEP_LANES_EVERY, 7 * SWEEP_LANES_EVERY])


async def test_a_sweep_that_takes_long_and_not_one_that_waited_long_is_made_less_often(
    pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(LANES[0], waits=5.0, takes=0.5)
    monkeypatch.setattr("time.monotonic", lambda: database.now)
    await _maintenance(database)._sweep_lanes()
    assert pauses == pytest.approx([0.5 * SWEEP_LANES_SHARE])
