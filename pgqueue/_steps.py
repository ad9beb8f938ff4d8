"""Steps that sync and async code share: generators that yield the return value of a method, which is awaited in async code."""

from collections.abc import Callable, Generator
from typing import Any

Steps = Generator[Any, Any, Any]


def drive(steps: Steps) -> Any:
    """Run steps that yield values. Returns their return value."""
    value: Any = None
    while True:
        try:
            value = steps.send(value)
        except StopIteration as stop:
            return stop.value


async def adrive(steps: Steps) -> Any:
    """Run steps that yield awaitables. Returns their return value."""
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
