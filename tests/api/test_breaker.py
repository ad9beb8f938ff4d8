"""The breaker: three states, and one try at a time."""

import asyncio

import psycopg
import pytest

from pgqueue.api.health.breaker import Breaker, is_unreachable
from pgqueue.errors import InvalidArgument, NoConnection


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def _fail(breaker: Breaker, error: Exception | None = None) -> None:
    with pytest.raises(Exception), breaker.trial():  # noqa: B017, PT011
        raise error or psycopg.OperationalError("gone")


def _opened(clock: Clock) -> Breaker:
    breaker = Breaker(clock=clock)
    for _ in range(3):
        _fail(breaker)
    return breaker


def test_it_opens_after_three_failures_in_a_row_and_not_before() -> None:
    breaker = Breaker(clock=Clock())
    for _ in range(2):
        _fail(breaker)
    assert breaker.state == "closed"
    with breaker.trial():
        pass
    for _ in range(2):
        _fail(breaker)
    assert breaker.state == "closed"
    _fail(breaker)
    assert breaker.state == "open"


def test_an_open_one_refuses_calls_at_once() -> None:
    breaker, ran = _opened(Clock()), []
    with pytest.raises(NoConnection, match="cannot be reached"), breaker.trial():
        ran.append(1)
    assert ran == []


def test_after_a_second_one_call_tries_and_the_others_are_refused() -> None:
    clock = Clock()
    breaker = _opened(clock)
    clock.now = 1.1
    assert breaker.state == "half-open"
    with breaker.trial(), pytest.raises(NoConnection), breaker.trial():
        pass
    assert breaker.state == "closed"


def test_a_try_that_fails_opens_it_for_another_second() -> None:
    clock = Clock()
    breaker = _opened(clock)
    clock.now = 1.1
    _fail(breaker)
    clock.now = 2.0
    assert breaker.state == "open"
    clock.now = 2.2
    assert breaker.state == "half-open"


def test_a_try_that_is_cancelled_leaves_the_next_one_to_another_call() -> None:
    clock = Clock()
    breaker = _opened(clock)
    clock.now = 1.1
    with pytest.raises(asyncio.CancelledError), breaker.trial():
        raise asyncio.CancelledError
    with breaker.trial():
        pass
    assert breaker.state == "closed"


def test_a_call_that_began_before_it_opened_does_not_close_it() -> None:
    clock = Clock()
    breaker = Breaker(clock=clock)
    with breaker.trial():
        for _ in range(3):
            _fail(breaker)
    assert breaker.state == "open"


def test_refusals_of_calls_and_a_busy_pool_do_not_open_it() -> None:
    """The database answers."""
    busy = NoConnection("all 10 of the pool are in use")
    busy.is_busy = True
    breaker = Breaker(clock=Clock())
    for error in (
        InvalidArgument("task: '' is not valid"),
        psycopg.errors.LockNotAvailable(),
        psycopg.errors.QueryCanceled(),
        busy,
    ):
        for _ in range(3):
            _fail(breaker, error)
    assert breaker.state == "closed"


@pytest.mark.parametrize(
    "error",
    [NoConnection("x"), psycopg.OperationalError("x"), psycopg.errors.AdminShutdown(), psycopg.errors.CannotConnectNow()],
    ids=lambda error: type(error).__name__,
)
def test_what_says_that_the_database_cannot_be_reached(error: Exception) -> None:
    assert is_unreachable(error)
