"""Where claims resume while full ones are slow."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pgqueue.worker.cursor import FULL_EVERY, FULL_SHARE, PER_ROW, SLOW, Cursor

NOON = datetime(2020, 1, 1, 12, tzinfo=UTC)
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def _sent(time: datetime) -> bytes:
    """A time as a claim brings it."""
    return ((time - EPOCH) // timedelta(microseconds=1)).to_bytes(8, "big", signed=True)


def _rows(
    count: int, queue: str = "default", priority: int = 0, start: datetime = NOON, limits: list[str] | None = None
) -> list[tuple[Any, ...]]:
    times = [start + timedelta(seconds=n) for n in range(count)]
    return [(n, queue, "task", {}, 1, 4, priority, _sent(times[n]), _sent(start), None, None, limits) for n in range(count)]


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


def test_very_slow_full_claims_take_no_more_than_their_share(clock: list[float]) -> None:
    cursor = Cursor()
    cursor.claimed(_rows(1), 2.0, full=True)
    clock[0] += 2.0 * FULL_SHARE * 0.99
    assert cursor.resume_at() is not None
    clock[0] += 2.0 * FULL_SHARE * 0.02
    assert cursor.resume_at() is None


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
