"""FAULTS 20 and 58: behind PgBouncer in transaction mode the worker, the view and the log say truly whether wake-ups arrive."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import psycopg
import pytest

from pgqueue import PgQueue, Task
from pgqueue.database.connection import open_connection
from pgqueue.database.listen import hears, leaving_nothing, listen
from tests.apps import app_of
from tests.looking import Look
from tests.waiting import auntil, until
from tests.worker.conftest import working

LEASE = 2.0
STATUS = "select wake_mode from worker_status where wake_mode <> 'starting'"
pool_sizes = pytest.mark.parametrize("pool_size", [1, 20])


@asynccontextmanager
async def _app(url: str, listen_url: str | None) -> AsyncIterator[Task[[], str]]:
    app = PgQueue(url, lease=LEASE, listen_url=listen_url)

    @app.task
    async def work() -> str:
        return "done"

    yield work
    app.close()
    await app.aclose()


@pool_sizes
async def test_without_a_direct_url_the_worker_says_that_it_polls(
    pooled: Callable[[int], str], look: Look, pool_size: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with _app(pooled(pool_size), None) as work, working(app_of(work)) as worker:
        mode = await auntil(lambda: look.value(STATUS), "the view")
        assert mode == worker._parts.liveness.wake_mode == "polling: a pooler drops LISTEN; set PGQUEUE_LISTEN_URL"
        assert f"wake-ups by {mode}" in caplog.text
        assert "wake-ups by notify" not in caplog.text
        job = await work.aenqueue()
        assert await job.aresult(20) == "done"


@pool_sizes
async def test_with_a_direct_url_the_worker_says_that_it_is_notified_and_is(
    pooled: Callable[[int], str],
    database_url: str,
    look: Look,
    pool_size: int,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr("pgqueue.worker.parts.BACKSTOP", 600.0)
    async with _app(pooled(pool_size), database_url) as work, working(app_of(work)) as worker:
        mode = await auntil(lambda: look.value(STATUS), "the view")
        assert mode == worker._parts.liveness.wake_mode == "notify"
        assert "wake-ups by notify" in caplog.text
        job = await work.aenqueue()
        assert await job.aresult(20) == "done"


@pool_sizes
def test_waiting_for_results_polls_without_a_direct_url(pooled: Callable[[int], str], look: Look, pool_size: int) -> None:
    app = PgQueue(pooled(pool_size))
    with app.waiting.waiter((1,)) as waiter:
        waiter.pause(0.01)
        until(lambda: app.waiting._listener().is_polling_only, "a listener that gave up")


@pool_sizes
def test_the_self_test_leaves_no_channel_on_the_pooler_s_sessions(
    pooled: Callable[[int], str], database_url: str, pool_size: int
) -> None:
    url = pooled(pool_size)
    with open_connection(url, "test") as connection, leaving_nothing(connection):
        listen(connection, "here")
        assert not hears(connection, "here", url, "echo", within=0.3)
    with psycopg.connect(url, autocommit=True) as next_client:
        assert next_client.execute("select pg_listening_channels()").fetchall() == []
    with open_connection(database_url, "test") as connection, leaving_nothing(connection):
        listen(connection, "here")
        assert hears(connection, "here", database_url, "echo")
