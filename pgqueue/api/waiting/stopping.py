"""The end of streams and polls: when the process is about to end, and when a client has gone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

from starlette.requests import Request
from starlette.types import Receive

from .hub import Hub

T = TypeVar("T")


class Ending(Protocol):
    """What `begin_stop` needs of a Service."""

    hub: Hub
    stopping: asyncio.Event


def begin_stop(service: Ending) -> None:
    """End all streams and polls within a second; requests go on. Safe in a handler of signals, and in any thread."""
    if service.hub.loop is None:
        service.stopping.set()  # nobody has waited yet
    else:
        service.hub.loop.call_soon_threadsafe(service.stopping.set)


@asynccontextmanager
async def watching(receive: Receive) -> AsyncIterator[asyncio.Task[None]]:
    """A task that ends when the client has gone; the body of the request must have been read."""
    task = asyncio.create_task(_gone(receive))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def unless_gone(request: Request, work: Awaitable[T]) -> T | None:
    """The answer of `work`, such as a poll, which is cancelled when the client of the request goes away; then None.

    The body of the request must have been read: for GET it is empty.
    """
    running = asyncio.ensure_future(work)
    try:
        async with watching(request.receive) as gone:
            await asyncio.wait([running, gone], return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not running.done():
            running.cancel()
            await asyncio.wait([running])
    return None if running.cancelled() else running.result()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
