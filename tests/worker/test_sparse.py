"""Whole looks become rare while they are slow."""

import pytest

from pgqueue.worker.sparse import CHEAP, SHARE, Sparse


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time; change its first element."""
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def _look(sparse: Sparse, clock: list[float], took: float) -> bool:
    whole = sparse.begin()
    clock[0] += took
    sparse.end(whole=whole)
    return whole


def test_cheap_looks_are_always_whole(clock: list[float]) -> None:
    sparse = Sparse()
    assert [_look(sparse, clock, CHEAP) for _ in range(3)] == [True] * 3


def test_after_a_slow_one_the_next_whole_look_comes_when_it_has_had_its_share(clock: list[float]) -> None:
    sparse = Sparse()
    assert _look(sparse, clock, 2.0)
    assert not _look(sparse, clock, 1.0)
    clock[0] += 2.0 * SHARE - 1.1
    assert not _look(sparse, clock, 0.0)
    clock[0] += 0.2
    assert _look(sparse, clock, 0.0)


def test_a_whole_look_that_is_cheap_again_ends_it(clock: list[float]) -> None:
    sparse = Sparse()
    assert _look(sparse, clock, 2.0)
    clock[0] += 2.0 * SHARE
    assert [_look(sparse, clock, 0.01) for _ in range(3)] == [True] * 3
