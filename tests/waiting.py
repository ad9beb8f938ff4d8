"""Waiting for something to be so, with a deadline: no test sleeps and hopes."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")
PATIENCE = 30.0  # seconds until a test gives up; generous, because machines that run tests are busy
LOOK_EVERY = 0.01


def until(check: Callable[[], T], what: str, within: float = PATIENCE) -> T:
    """The first true answer of `check`; fails the test when there is none in time."""
    deadline = time.monotonic() + within
    while not (answer := check()):
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {within} s, the last answer was {answer!r}")
        time.sleep(LOOK_EVERY)
    return answer


async def auntil(check: Callable[[], T], what: str, within: float = PATIENCE) -> T:
    """`until` on an event loop that has other work to do."""
    deadline = time.monotonic() + within
    while not (answer := check()):
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {within} s, the last answer was {answer!r}")
        await asyncio.sleep(LOOK_EVERY)
    return answer
