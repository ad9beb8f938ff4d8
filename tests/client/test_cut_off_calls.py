"""What a call leaves of its pooled connection if it is cut off or fails: it goes back, idle, and nothing is logged."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from psycopg.pq import TransactionStatus

from pgqueue import PgQueue
from pgqueue.database.call import Call
from pgqueue.database.connection import OwnAsyncConnection
from tests.looking import Look
from tests.waiting import auntil

PID: Call[int] = Call("select pg_backend_pid()", (), lambda rows: int(rows[0][0]))
SLEEP: Call[Any] = Call("select pg_sleep(60)", (), lambda rows: rows)
BROKEN: Call[Any] = Call("select 1 / 0", (), lambda rows: rows)


def _unreadable(rows: Any) -> Any:
    raise ValueError("an answer that cannot be read")


UNREADABLE: Call[Any] = Call("select 1", (), _unreadable)
CALLERS = [None, "10.0.0.1"]  # the second runs in a transaction


@pytest.fixture
async def small(app: PgQueue, caplog: pytest.LogCaptureFixture) -> AsyncIterator[PgQueue]:
    """An app whose pools have one connection each: the next call needs that of the call before."""
    caplog.set_level(logging.WARNING)
    small = PgQueue(app.url, pool_size=1)
    yield small
    small.close()
    await small.aclose()
    assert [record.getMessage() for record in caplog.get_records("call") if record.name.startswith("psycopg")] == []


@pytest.mark.parametrize("client", CALLERS, ids=["alone", "in a transaction"])
async def test_a_cancelled_call_gives_its_connection_back(small: PgQueue, look: Look, client: str | None) -> None:
    pool = small.async_database
    before = await pool.run(PID)
    call = asyncio.create_task(pool.run(SLEEP, client=client))
    await auntil(lambda: look.value("select wait_event = 'PgSleep' from pg_stat_activity where pid = %s", before), "the call")

    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    assert await pool.run(PID, wait=2) == before
    assert look.value("select state from pg_stat_activity where pid = %s", before) == "idle"


async def test_a_call_that_is_cancelled_as_it_begins_its_transaction_leaves_none(
    small: PgQueue, look: Look, caplog: pytest.LogCaptureFixture
) -> None:
    pool = small.async_database
    before = await pool.run(PID)
    own: OwnAsyncConnection = (await pool.pool())._pool[0]
    call = asyncio.create_task(pool.run(SLEEP, client="10.0.0.1"))
    while own.pgconn.transaction_status != TransactionStatus.ACTIVE:  # noqa: ASYNC110 - until BEGIN is sent
        await asyncio.sleep(0)

    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    await pool.run(PID, wait=5)
    await auntil(lambda: look.value("select state from pg_stat_activity where pid = %s", before) in ("idle", None), "its end")
    caplog.clear()  # before psycopg 3.3 the pool replaces the connection, and says so


@pytest.mark.parametrize("call", [BROKEN, UNREADABLE], ids=["in the server", "on the way back"])
def test_a_call_that_fails_gives_its_connection_back(small: PgQueue, call: Call[Any]) -> None:
    before = small.database.run(PID)
    with pytest.raises(Exception, match=r"division by zero|cannot be read"):
        small.database.run(call)
    assert small.database.run(PID, wait=2) == before


@pytest.mark.parametrize("client", CALLERS, ids=["alone", "in a transaction"])
@pytest.mark.parametrize("call", [BROKEN, UNREADABLE], ids=["in the server", "on the way back"])
async def test_a_call_of_async_code_that_fails_gives_its_connection_back(
    small: PgQueue, call: Call[Any], client: str | None
) -> None:
    before = await small.async_database.run(PID)
    with pytest.raises(Exception, match=r"division by zero|cannot be read"):
        await small.async_database.run(call, client=client)
    assert await small.async_database.run(PID, wait=2) == before
