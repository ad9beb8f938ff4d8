"""How far a worker fetches ahead."""

from collections.abc import Callable

import pytest

from pgqueue.worker.pace import AHEAD, BRIEF, BRIEF_AHEAD, MOST, SLOW, SOON, WINDOW, Pace

Lapse = Callable[[int, float], None]


@pytest.fixture
def pace(monkeypatch: pytest.MonkeyPatch) -> Pace:
    """A pace whose clock stands at 0."""
    monkeypatch.setattr("time.monotonic", lambda: 0.0)
    return Pace()


@pytest.fixture
def lapse(pace: Pace, monkeypatch: pytest.MonkeyPatch) -> Lapse:
    """Let one window pass in which so many jobs of this length end."""
    now = [0.0]

    def one(jobs: int, elapsed: float) -> None:
        now[0] += WINDOW * 1.001
        monkeypatch.setattr("time.monotonic", lambda: now[0])
        for _ in range(jobs):
            pace.ended(elapsed)
        pace.prefetch()

    return one


def test_nothing_is_fetched_ahead_before_a_job_has_ended(pace: Pace) -> None:
    assert pace.prefetch() == 0
    assert pace.low == 0


def test_fast_jobs_are_fetched_ahead_for_about_200_ms(pace: Pace, lapse: Lapse) -> None:
    for _ in range(20):
        lapse(50, 0.001)
    rate = 50 / WINDOW
    assert pace.prefetch() == pytest.approx(rate * AHEAD, rel=0.02)
    assert pace.low == pace.prefetch() // 2


def test_however_fast_no_more_than_1000_are_held(pace: Pace, lapse: Lapse) -> None:
    for _ in range(20):
        lapse(100_000, 0.0)
    assert pace.prefetch() == MOST == 1000


def test_slow_handlers_are_fetched_one_by_one(pace: Pace, lapse: Lapse) -> None:
    for _ in range(20):
        lapse(50, 0.001)
    for _ in range(10):
        lapse(50, SLOW * 2)
    assert pace.prefetch() == 0
    assert pace.low == 0


def test_a_pause_changes_nothing(pace: Pace, lapse: Lapse) -> None:
    for _ in range(20):
        lapse(50, 0.001)
    before = pace.prefetch()
    lapse(0, 0)
    assert pace.prefetch() == before


def test_before_a_job_has_ended_none_is_said_to_start_soon(pace: Pace) -> None:
    assert (pace.started_soon, pace.free_soon) == (0, 0)


def _lapse_limited(pace: Pace, lapse: Lapse, jobs: int, elapsed: float) -> None:
    for _ in range(20):
        for _ in range(jobs):
            pace.ended(elapsed, is_limited=True)
        lapse(0, 0)


def test_brief_jobs_with_limits_that_start_within_50_ms_are_counted(pace: Pace, lapse: Lapse) -> None:
    _lapse_limited(pace, lapse, 500, BRIEF / 10)
    assert pace.started_soon == pytest.approx(500 / WINDOW * BRIEF_AHEAD, rel=0.02)
    _lapse_limited(pace, lapse, 50_000, 0.0)
    assert pace.started_soon == MOST


def test_jobs_with_limits_that_take_longer_start_in_a_free_slot_only(pace: Pace, lapse: Lapse) -> None:
    _lapse_limited(pace, lapse, 500, BRIEF / 10)
    _lapse_limited(pace, lapse, 500, BRIEF * 2)
    assert pace.prefetch() > 0
    assert pace.started_soon == 0


def test_how_brief_jobs_without_limits_are_says_nothing_of_those_with(pace: Pace, lapse: Lapse) -> None:
    for _ in range(20):
        lapse(500, 0.0)
    assert pace.started_soon == 0
    assert pace.free_soon == pytest.approx(500 / WINDOW * SOON, rel=0.02)


def test_slots_that_come_free_are_counted_where_jobs_are_fetched_ahead(pace: Pace, lapse: Lapse) -> None:
    for _ in range(20):
        lapse(1, SLOW / 2)
    assert pace.free_soon == 1, "20 a second: less than one in 20 ms"
    for _ in range(20):
        lapse(1, SLOW * 2)
    assert pace.free_soon == 0, "then one is fetched for each slot that is free"


def test_the_time_without_any_job_makes_no_claim_of_jobs_with_limits_smaller(pace: Pace, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    for _ in range(20):
        for _ in range(100):
            pace.ended(BRIEF / 10, is_limited=True)
        now += WINDOW / 5
        monkeypatch.setattr("time.monotonic", lambda now=now: now)
        pace.dry()
        now += WINDOW * 4 / 5 + 1e-6
        monkeypatch.setattr("time.monotonic", lambda now=now: now)
        pace.prefetch()
        pace.fed()
    assert pace.started_soon == pytest.approx(100 / (WINDOW / 5) * BRIEF_AHEAD, rel=0.02)
