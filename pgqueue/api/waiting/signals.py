"""The signals that end a process, for an API inside another application.

A server waits for its connections before it tells an application that it ends, and a stream would keep it waiting for ever.
So we hear of a signal before the server does, which is called as ever. A server in a thread has no signals.
"""

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

ENDING = (signal.SIGTERM, signal.SIGINT)
_told: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
_before: dict[int, Callable[[int, FrameType | None], Any]] = {}


def set_at_end(event: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
    """Set this event, on this event loop, when a signal ends the process. Nothing happens outside of the main thread."""
    if threading.current_thread() is not threading.main_thread():
        return
    for closed in [one for one, its in _told.items() if its.is_closed()]:
        del _told[closed]
    _told[event] = loop
    for number in ENDING:
        handler = signal.getsignal(number)
        if callable(handler) and handler is not _heard:  # without a handler the process ends at once, streams or not
            _before[number] = handler
            signal.signal(number, _heard)


def _heard(number: int, frame: FrameType | None) -> None:
    for event, loop in list(_told.items()):
        if not loop.is_closed():
            loop.call_soon_threadsafe(event.set)
    _before[number](number, frame)
