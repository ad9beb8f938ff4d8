"""Coalesced wake-ups: one NOTIFY per queue and window, and none that is lost."""

from collections.abc import Callable
from contextlib import suppress

import psycopg
import pytest

from pgqueue import PgQueue, Task, _coalesce
from pgqueue._coalesce import WINDOW, Coalescer
from tests.looking import Look

Clock = Callable[[float], None]
Heard = Callable[[], list[str]]


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Sets the time."""
    return lambda now: monkeypatch.setattr("time.monotonic", lambda: now)


def _notifies(coalescer: Coalescer, queue: str = "mail") -> bool:
    with coalescer.waking(queue) as notify:
        return notify


def test_one_enqueue_of_a_window_notifies(set_clock: Clock) -> None:
    coalescer = Coalescer()
    answers = []
    for now in (100, 100 + WINDOW / 2, 100 + WINDOW * 1.01, 100 + WINDOW * 1.5):
        set_clock(now)
        answers.append(_notifies(coalescer))
    assert answers == [True, False, True, False]


def test_each_queue_has_its_own_window(set_clock: Clock) -> None:
    coalescer = Coalescer()
    set_clock(100)
    assert [_notifies(coalescer, queue) for queue in ("mail", "reports", "mail")] == [True, True, False]


def test_an_enqueue_that_fails_leaves_the_wake_up_to_the_next(set_clock: Clock) -> None:
    coalescer = Coalescer()
    set_clock(100)
    with suppress(ValueError), coalescer.waking("mail"):
        raise ValueError
    assert _notifies(coalescer)


def test_enqueues_in_one_window_reach_listeners_as_one_wake_up(
    app: PgQueue, welcome: Task[[int], str], look: Look, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_coalesce, "WINDOW", 60.0)
    look.connection.execute(f'listen "{look.value("select channel()")}"')
    for n in range(5):
        welcome.enqueue(n)
    welcome.enqueue_many([(1,), (2,)])
    welcome.using(queue="mail").enqueue(1)
    assert heard() == ["default", "mail"]


def test_a_caller_s_connection_always_notifies(
    welcome: Task[[int], str],
    look: Look,
    heard: Heard,
    connection: psycopg.Connection[object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_coalesce, "WINDOW", 60.0)
    look.connection.execute(f'listen "{look.value("select channel()")}"')
    welcome.enqueue(0)
    for n in (1, 2):
        welcome.using(connection=connection).enqueue(n)
    assert heard() == ["default"] * 3


def test_a_job_for_later_wakes_nobody(welcome: Task[[int], str], look: Look, heard: Heard) -> None:
    look.connection.execute(f'listen "{look.value("select channel()")}"')
    welcome.using(run_after=60).enqueue(1)
    assert heard() == []


def test_a_job_for_later_does_not_use_up_the_wake_up_of_the_window(
    welcome: Task[[int], str], look: Look, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_coalesce, "WINDOW", 60.0)
    look.connection.execute(f'listen "{look.value("select channel()")}"')
    welcome.using(run_after=60).enqueue(1)
    welcome.enqueue(2)
    assert heard() == ["default"]
