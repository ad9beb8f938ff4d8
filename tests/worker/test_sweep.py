"""A full claim in slices looks at everything."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pgqueue.database.adapters import FIRST, LAST
from pgqueue.worker.sweep import LONGEST_SPAN, TARGET, Sweep

NOON = datetime(2020, 1, 1, 12, tzinfo=UTC)
PLACES = {("mail", 0): NOON, ("mail", 5): NOON - timedelta(hours=1), ("default", 0): NOON + timedelta(hours=1)}
JOBS = [
    (queue, priority, NOON - timedelta(seconds=late))
    for queue in ("mail", "default")
    for priority in (-100, 0, 5, 100)
    for late in (-3601.0, -1.0, 0.0, 0.5, 1.0, 86400.0, 3 * LONGEST_SPAN)
]


def _holds(entry: dict[str, Any], job: tuple[str, int, datetime]) -> bool:
    queue, priority, run_at = job
    since, until = entry["run_at"], entry.get("until")
    return bool(
        (queue, priority) == (entry["queue"], entry["priority"])
        and (since == "-infinity" or datetime.fromisoformat(since) <= run_at)
        and (until is None or run_at < datetime.fromisoformat(until))
    )


@pytest.mark.parametrize("seed", range(5))
def test_a_sweep_and_the_places_hold_each_job_and_no_claim_holds_one_twice(seed: int) -> None:
    sweep, times = Sweep(), random.Random(seed)
    resumed = [{"queue": q, "priority": p, "run_at": place.isoformat()} for (q, p), place in PLACES.items()]
    seen = set()
    for _ in range(1000):
        claim = resumed + sweep.slice(PLACES)
        for job in JOBS:
            if holding := [entry for entry in claim if _holds(entry, job)]:
                assert len(holding) == 1, (job, holding)
                seen.add(job)
        if sweep.walked(PLACES, times.choice((0.1, 0.7, 1.5)) * TARGET):
            break
    assert seen == set(JOBS)


def test_a_slice_is_as_long_as_its_walk_is_quick() -> None:
    sweep, spans = Sweep(), []
    end = NOON
    for took in (TARGET / 4, 2 * TARGET, TARGET * 0.7, 0.0):
        entry = next(e for e in sweep.slice({("mail", 0): NOON}) if e["priority"] == 0)
        assert entry["until"] == end.isoformat()
        spans.append((end - datetime.fromisoformat(entry["run_at"])).total_seconds())
        end = datetime.fromisoformat(entry["run_at"])
        sweep.walked({("mail", 0): NOON}, took)
    assert spans == [1.0, 4.0, 2.0, 2.0]


def test_a_sweep_of_jobs_that_were_due_at_the_beginning_of_time_is_one_slice() -> None:
    sweep, places = Sweep(), {("mail", 0): FIRST}
    (before, *_) = [entry for entry in sweep.slice(places) if entry["priority"] == 0]
    assert (before["run_at"], before["until"]) == ("-infinity", FIRST.isoformat())
    assert sweep.walked(places, 0.0)


def test_each_slice_looks_for_new_jobs_of_other_priorities_in_every_queue() -> None:
    """An urgent one does not wait until its queue has its turn."""
    sweep = Sweep()
    for _ in range(30):
        claim = sweep.slice(PLACES)
        for urgent in (("mail", 100, NOON), ("default", 100, NOON + timedelta(hours=1))):
            assert any(_holds(entry, urgent) for entry in claim)
        sweep.walked(PLACES, 0.0)


@pytest.mark.parametrize("place", [FIRST, FIRST + timedelta(hours=30), LAST])
def test_a_sweep_ends_where_time_begins(place: datetime) -> None:
    """A job may be due in the year 1, or at -infinity, which is shown as the first time that Python can hold."""
    sweep, places = Sweep(), {("mail", 0): place}
    for _ in range(100):
        last = sweep.slice(places)
        if sweep.walked(places, 0.0):
            break
    assert [entry["run_at"] for entry in last if entry.get("until")] == ["-infinity"] * 201


def test_slices_come_back_in_time_however_long_each_takes() -> None:
    sweep, places = Sweep(), {("mail", 0): NOON}
    for _ in range(10):
        slice = sweep.slice(places)
        sweep.walked(places, 10 * TARGET)
    begins = {datetime.fromisoformat(entry["run_at"]) for entry in slice if entry.get("until")}
    assert begins == {NOON - timedelta(seconds=10)}
