"""Where claims resume while full ones are slow."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pgqueue.worker.cursor import FULL_EVERY, FULL_SHARE, PER_ROW, SLOW, WHOLE_SHARE, Cursor
from tests.worker.jobs import sent

NOON = datetime(2020, 1, 1, 12, tzinfo=UTC)


def _rows(
    count: int, queue: str = "default", priority: int = 0, start: datetime = NOON, limits: list[str] | None = None
) -> list[tuple[Any, ...]]:
    times = [start + timedelta(seconds=n) for n in range(count)]
    return [(n, queue, "task", {}, 1, 4, priority, sent(times[n]), sent(start), None, None, limits) for n in range(count)]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time; change its first element."""
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


@pytest.fixture
def cursor(clock: list[float]) -> Cursor:
    """A cursor after one slow full claim of ten jobs."""
    cursor = Cursor()
    cursor.claimed(_rows(10), 0.02, full=True)
    return cursor


def test_fast_claims_are_always_full(clock: list[float]) -> None:
    cursor = Cursor()
    assert cursor.resume_at() is None
    cursor.claimed(_rows(1000), SLOW, full=True)
    assert cursor.resume_at() is None


def test_a_claim_of_many_rows_may_take_longer(clock: list[float]) -> None:
    cursor = Cursor()
    cursor.claimed(_rows(1000), SLOW + PER_ROW * 999, full=True)
    assert cursor.resume_at() is None
    cursor.claimed(_rows(1), SLOW + PER_ROW * 999, full=True)
    assert cursor.resume_at() is not None


def test_after_a_slow_claim_the_next_resumes_at_the_lowest_time_of_each_kind(clock: list[float]) -> None:
    cursor = Cursor()
    later = NOON + timedelta(hours=1)
    cursor.claimed([*_rows(5, priority=50, start=later), *_rows(5), *_rows(2, queue="mail")], 0.02, full=True)
    assert cursor.resume_at() == [
        {"queue": "default", "priority": 50, "run_at": later.isoformat()},
        {"queue": "default", "priority": 0, "run_at": NOON.isoformat()},
        {"queue": "mail", "priority": 0, "run_at": NOON.isoformat()},
    ]


def test_jobs_with_limits_say_nothing_of_where_those_without_begin(clock: list[float]) -> None:
    cursor = Cursor()
    later = NOON + timedelta(hours=1)
    cursor.claimed([*_rows(5, limits=["key"]), *_rows(5, queue="mail", limits=["key"]), *_rows(5, start=later)], 0.02, full=True)
    assert cursor.resume_at() == [{"queue": "default", "priority": 0, "run_at": later.isoformat()}]
    cursor.claimed(_rows(5, limits=["key"]), 0.02, full=False)
    assert cursor.resume_at() == [{"queue": "default", "priority": 0, "run_at": later.isoformat()}]


def test_a_slow_claim_that_found_only_jobs_with_limits_leaves_nothing_to_resume_at(clock: list[float]) -> None:
    cursor = Cursor()
    cursor.claimed(_rows(5, limits=["key"]), 0.02, full=True)
    assert cursor.resume_at() is None


def test_resumed_claims_move_the_cursor_on(cursor: Cursor) -> None:
    later = NOON + timedelta(hours=1)
    cursor.claimed(_rows(5, start=later), 0.001, full=False)
    assert cursor.resume_at() == [{"queue": "default", "priority": 0, "run_at": later.isoformat()}]


def test_a_slow_claim_that_found_nothing_leaves_nothing_to_resume_at(clock: list[float]) -> None:
    cursor = Cursor()
    cursor.claimed([], 0.02, full=True)
    assert cursor.resume_at() is None


def test_a_full_claim_is_made_about_once_a_second(cursor: Cursor, clock: list[float]) -> None:
    clock[0] += FULL_EVERY * 0.99
    assert cursor.resume_at() is not None
    clock[0] += FULL_EVERY * 0.02
    assert cursor.resume_at() is None


def test_slower_full_claims_take_no_more_than_their_share(clock: list[float]) -> None:
    cursor = Cursor()
    cursor.claimed(_rows(1), 0.2, full=True)
    clock[0] += 0.2 * FULL_SHARE * 0.99
    assert cursor.resume_at() is not None
    clock[0] += 0.2 * FULL_SHARE * 0.02
    assert cursor.resume_at() is None


@pytest.fixture
def sliced(clock: list[float]) -> Cursor:
    """A cursor whose full claim of ten jobs has taken two seconds, when the first slice is due."""
    cursor = Cursor()
    cursor.claimed(_rows(10), 2.0, full=True)
    assert len(cursor.resume_at() or []) == 1
    clock[0] += 2.0 * FULL_SHARE * 1.01
    return cursor


def _spans(cursor: Cursor, priority: int) -> list[tuple[str, str | None]]:
    return [(e["run_at"], e.get("until")) for e in cursor.resume_at() or [] if e["priority"] == priority]


def test_a_very_slow_full_claim_is_made_in_slices_back_in_time(sliced: Cursor, clock: list[float]) -> None:
    second = [(NOON - timedelta(seconds=n)).isoformat() for n in range(3)]
    assert _spans(sliced, 0) == [(second[0], None), (second[1], second[0])]
    assert _spans(sliced, 50) == [(second[1], second[0]), (second[0], None)]
    sliced.claimed(_rows(10), 0.05, full=False)
    assert _spans(sliced, 0) == [(second[0], None)]
    clock[0] += 1.01
    assert _spans(sliced, 0) == [(second[0], None), (second[2], second[1])]


def test_a_slice_leaves_the_cursor_where_it_is_and_is_looked_at_again_after_it_held_jobs(
    sliced: Cursor, clock: list[float]
) -> None:
    slice = sliced.resume_at()
    sliced.claimed([*_rows(1, start=NOON - timedelta(seconds=0.5)), *_rows(2)], 0.05, full=False)
    assert sliced.resume_at() != slice
    clock[0] += 1.01
    assert sliced.resume_at() == slice


def test_a_slice_that_held_half_of_a_claim_is_looked_at_again_at_once(sliced: Cursor, clock: list[float]) -> None:
    """A hundred thousand jobs that one transaction committed late must not start a claim a second."""
    slice = sliced.resume_at()
    for _ in range(3):
        sliced.claimed([*_rows(1, start=NOON - timedelta(seconds=0.5)), *_rows(1)], 0.05, full=False)
        assert sliced.resume_at() == slice


def test_slices_become_longer_although_each_claim_takes_long_on_a_busy_machine(sliced: Cursor, clock: list[float]) -> None:
    begins = []
    for _ in range(5):
        sliced.resume_at()
        sliced.claimed(_rows(10), 0.11, full=False)
        clock[0] += 0.12 * FULL_SHARE
        begins.append(_spans(sliced, 50)[0][0])
        sliced.claimed(_rows(10), 0.12, full=False)
    seconds = [(NOON - datetime.fromisoformat(begin)).total_seconds() for begin in begins]
    assert seconds == [2.0, 3.0, 7.0, 23.0, 87.0]


def test_a_job_of_another_priority_that_a_slice_finds_is_resumed_at(sliced: Cursor, clock: list[float]) -> None:
    sliced.resume_at()
    sliced.claimed(_rows(1, priority=7, start=NOON + timedelta(hours=1)), 0.05, full=False)
    assert _spans(sliced, 7) == [((NOON + timedelta(hours=1)).isoformat(), None)]


def test_before_sleeping_a_very_slow_claim_is_full_too(sliced: Cursor) -> None:
    sliced.full_next()
    assert sliced.resume_at() is None


def test_a_full_claim_is_made_now_and_then(sliced: Cursor, clock: list[float]) -> None:
    clock[0] += 2.0 * (WHOLE_SHARE - FULL_SHARE)
    assert sliced.resume_at() is None


def test_when_all_slices_were_quick_the_next_full_claim_is_no_slice(sliced: Cursor, clock: list[float]) -> None:
    slices = 0
    while sliced.resume_at() is not None:
        slices += 1
        sliced.claimed(_rows(10), 0.001, full=False)
        clock[0] += 1.01
    assert 10 < slices < 20


def test_a_full_claim_that_is_fast_again_ends_it(cursor: Cursor, clock: list[float]) -> None:
    clock[0] += FULL_EVERY * 2
    cursor.claimed(_rows(10), 0.001, full=True)
    clock[0] += 0.1
    assert cursor.resume_at() is None


def test_before_sleeping_the_next_claim_is_full(cursor: Cursor) -> None:
    assert cursor.resume_at() is not None
    cursor.full_next()
    assert cursor.resume_at() is None


def test_a_wake_up_under_load_brings_the_next_full_claim_forward_within_its_share(cursor: Cursor, clock: list[float]) -> None:
    cursor.full_sooner()
    clock[0] += 0.02 * FULL_SHARE * 0.9
    assert cursor.resume_at() is not None
    clock[0] += 0.02 * FULL_SHARE * 0.2
    assert cursor.resume_at() is None
