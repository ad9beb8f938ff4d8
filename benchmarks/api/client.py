"""A client that costs little: the server and PostgreSQL share two cores with it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

from benchmarks.errors import BenchmarkError


class Connection(asyncio.Protocol):
    """One connection that is kept open, and one request at a time."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._received = b""

    @classmethod
    async def open(cls, port: int) -> Connection:
        """A connection to this port of loopback."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; asyncio calls this."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Collect an answer; asyncio calls this."""
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or self._answer is None:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if len(body) >= length:
            self._received = body[length:]
            answer, self._answer = self._answer, None
            answer.set_result((int(head[9:12]), body[:length]))

    def connection_lost(self, error: Exception | None) -> None:
        """Fail the request that waits; asyncio calls this."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(BenchmarkError("the API closed a connection"))

    async def send(self, request: bytes) -> bytes:
        """The body of the answer. Raises BenchmarkError unless it is a success."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        status, body = await self._answer
        if not 200 <= status < 300:
            raise BenchmarkError(f"the API answered {status}: {body[:300].decode()}")
        return body

    def close(self) -> None:
        """Close it."""
        self._transport.close()


def post(path: str, body: object, key: str | None) -> bytes:
    """A request that posts JSON."""
    return _request("POST", path, json.dumps(body).encode(), key)


def get(path: str, key: str | None) -> bytes:
    """A request without a body."""
    return _request("GET", path, b"", key)


def _request(method: str, path: str, body: bytes, key: str | None) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    if key:
        lines.append(f"Authorization: Bearer {key}")
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


Act = Callable[[], Awaitable[object]]


async def as_fast_as_possible(acts: list[Act], seconds: float) -> float:
    """Calls per second: each of `acts` is repeated for so many seconds, all at once."""
    ends = time.perf_counter() + seconds

    async def repeat(act: Act) -> int:
        done = 0
        while time.perf_counter() < ends:
            await act()
            done += 1
        return done

    began = time.perf_counter()
    done = sum(await asyncio.gather(*map(repeat, acts)))
    return done / (time.perf_counter() - began)


async def at_a_pace(acts: list[Act], per_second: float, seconds: float) -> list[float]:
    """Seconds of each call from when it was due: a slow one makes those behind it late, and that counts."""
    began, count = time.perf_counter(), int(per_second * seconds)
    took: list[float] = []

    async def some(act: Act, first: int) -> None:
        for number in range(first, count, len(acts)):
            due = began + number / per_second
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            await act()
            took.append(time.perf_counter() - due)

    await asyncio.gather(*(some(act, first) for first, act in enumerate(acts)))
    return took
