"""People who look at the dashboard: each does what the script of a page does, without a browser, which would cost the most."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.api.client import Connection

STREAM = b"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n"


class Viewer:
    """One open page: it hears that something has changed, and asks for the page again.

    Attributes:
        looks: how often it has asked.
    """

    def __init__(self, port: int, path: str) -> None:
        self._port, self._path = port, path
        self._mark = b""
        self.looks = 0

    async def look(self) -> None:
        """Look until cancelled."""
        page = await Connection.open(self._port)
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(STREAM)
            await self._ask(page)
            while line := await reader.readline():
                if line.startswith(b"event: changed"):
                    await self._ask(page)
        finally:
            writer.close()
            page.close()

    async def _ask(self, page: Connection) -> None:
        request = f"GET {self._path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Part: main\r\nX-Shown: ".encode()
        html = await page.send(request + self._mark + b"\r\nAccept-Encoding: identity\r\n\r\n")
        self._mark = html.partition(b'data-shown="')[2][:16] or self._mark
        self.looks += 1


@asynccontextmanager
async def looking(port: int, path: str, count: int) -> AsyncIterator[list[Viewer]]:
    """So many open pages."""
    viewers = [Viewer(port, path) for _ in range(count)]
    tasks = [asyncio.create_task(viewer.look()) for viewer in viewers]
    try:
        yield viewers
        for task in tasks:
            if task.done():
                task.result()  # one that has failed has looked at nothing
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
