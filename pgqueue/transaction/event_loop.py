"""What would block the event loop is refused there."""

import asyncio

from ..errors import PgQueueError


def refuse_on_event_loop(what: str, remedy: str, blocking: str) -> None:
    """Raise PgQueueError in async code."""
    if is_on_event_loop():
        raise PgQueueError(f"{what} in async code: use {remedy}; {blocking} would block the event loop")


def is_on_event_loop() -> bool:
    """Whether the caller is async code."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
