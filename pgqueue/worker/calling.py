"""Calling a callback of the app, async or not."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..executor import in_thread
from .isolate import Isolated


async def call_back(callback: Callable[[Any], Any], event: Any, thread: ThreadPoolExecutor) -> None:
    """Call a callback to its end: `async def` on this loop, any other in the thread. Its exceptions are raised."""
    if asyncio.iscoroutinefunction(callback):
        await Isolated(callback(event))
        return
    returned = await in_thread(callback, {}, thread, event)
    if inspect.isawaitable(returned):  # of an object with an async `__call__`, or of a lambda with an async function
        await Isolated(_awaited(returned))


async def _awaited(awaitable: Awaitable[Any]) -> None:
    await awaitable
