"""The same calls made straight by psycopg, as a program that has a driver would make them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from psycopg import AsyncConnection

from benchmarks.api.client import Act

ENQUEUE = "select pgqueue.enqueue(%s, %s::jsonb)"
ENQUEUE_MANY = "select pgqueue.enqueue_many(%s, %s::jsonb)"


@asynccontextmanager
async def single(url: str, connections: int) -> AsyncIterator[list[Act]]:
    """One enqueue a call, on each of so many connections."""
    async with _opened(url, connections) as opened:
        yield [_act(one, ENQUEUE, ("noop", json.dumps({"number": 1}))) for one in opened]


@asynccontextmanager
async def batches(url: str, connections: int, size: int) -> AsyncIterator[list[Act]]:
    """`size` jobs a call."""
    text = json.dumps([{"number": number} for number in range(size)])
    async with _opened(url, connections) as opened:
        yield [_act(one, ENQUEUE_MANY, ("noop", text)) for one in opened]


@asynccontextmanager
async def _opened(url: str, connections: int) -> AsyncIterator[list[AsyncConnection]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(await AsyncConnection.connect(url, autocommit=True)) for _ in range(connections)]


def _act(connection: AsyncConnection, statement: str, params: tuple[str, ...]) -> Act:
    async def act() -> None:
        cursor = await connection.execute(statement.encode(), params)
        await cursor.fetchall()

    return act
