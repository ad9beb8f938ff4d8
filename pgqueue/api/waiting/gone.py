"""Whether the client of a request has gone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import Receive


async def until_gone(receive: Receive) -> None:
    """Return when the client has gone; Starlette's own is_disconnected does not wait. The body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


@asynccontextmanager
async def watching(receive: Receive) -> AsyncIterator[asyncio.Task[None]]:
    """A task that ends when the client has gone; the body of the request must have been read."""
    task = asyncio.create_task(until_gone(receive))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])
