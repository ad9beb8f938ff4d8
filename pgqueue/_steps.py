"""Steps that sync and async code share: generators that yield what a method of the same name returns in either of the two."""

from collections.abc import Callable, Generator
from typing import Any

Steps = Generator[Any, Any, Any]


def drive(steps: Steps) -> Any:
    """Run steps whose yields are values already; what they return."""
    value: Any = None
    while True:
        try:
            value = steps.send(value)
        except StopIteration as stop:
            return stop.value


async def adrive(steps: Steps) -> Any:
    """Run steps whose yields are awaitables; what they return."""
    step: Callable[[Any], Any] = steps.send
    value: Any = None
    while True:
        try:
            awaited = step(value)
        except StopIteration as stop:
            return stop.value
        try:
            value, step = await awaited, steps.send
        except BaseException as error:
            value, step = error, steps.throw
