"""FAULTS 51: the connections of an application go silent in turn, without FIN or RST, while new ones work."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import psycopg
import pytest

from pgqueue import Job, PgQueue, ResultTimeout, Task
from pgqueue.database import connection
from pgqueue.database.calls import install as install_calls
from pgqueue.database.calls import manage as manage_calls
from pgqueue.database.connection import DeadlinePassed, OwnAsyncConnection, connect_options, open_connection
from pgqueue.migrate import migrate
from pgqueue.waiting import listener as _waiting
from tests.apps import app_of
from tests.client.test_job import _run
from tests.faults.proxy import Proxy
from tests.looking import Look
from tests.waiting import until

pytestmark = pytest.mark.alone

SHORT = 0.5  # seconds, instead of 8
LATE = 1.0  # seconds that a wait may take beyond its timeout


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadline that a test can wait for."""
    monkeypatch.setattr(connection, "DEADLINE", SHORT)


@pytest.fixture
async def behind(proxy: Proxy) -> AsyncIterator[PgQueue]:
    """An app whose connections all go through the proxy."""
    app = PgQueue(proxy.url, pool_size=1)
    yield app
    app.close()
    await app.aclose()


@pytest.fixture
def work(behind: PgQueue) -> Task[[], str]:
    """A task that nobody runs."""

    @behind.task
    def work() -> str:
        return "done"

    return work


@pytest.mark.usefixtures("short")
def test_a_pooled_call_on_a_silent_connection_ends_and_the_next_one_works(
    proxy: Proxy, behind: PgQueue, work: Task[[], str], look: Look
) -> None:
    work.enqueue()
    assert proxy.silence("pgqueue") == 1
    began = time.monotonic()
    with pytest.raises(psycopg.OperationalError):
        behind.database.run(manage_calls.cancel(1))
    assert time.monotonic() - began < SHORT + LATE
    behind.database.run(manage_calls.cancel(1))
    assert look.count("cancelled") == 1


@pytest.mark.usefixtures("short")
async def test_a_pooled_call_of_async_code_on_a_silent_connection_ends_and_the_next_one_works(
    proxy: Proxy, behind: PgQueue, work: Task[[], str], look: Look
) -> None:
    await work.aenqueue()
    assert proxy.silence("pgqueue") == 1
    began = time.monotonic()
    with pytest.raises(psycopg.OperationalError):
        await behind.async_database.run(manage_calls.cancel(1))
    assert time.monotonic() - began < SHORT + LATE
    await behind.async_database.run(manage_calls.cancel(1))
    assert look.count("cancelled") == 1


@pytest.mark.usefixtures("short")
def test_one_missed_deadline_is_enough_for_a_whole_pool_that_went_silent(proxy: Proxy, look: Look) -> None:
    app = PgQueue(proxy.url, pool_size=3)
    with app.database.pool().connection(), app.database.pool().connection(), app.database.pool().connection():
        pass
    assert proxy.silence("pgqueue") == 3
    with pytest.raises(DeadlinePassed):
        app.database.run(install_calls.channel())
    for _ in range(4):
        assert app.database.run(install_calls.channel()) == look.value("select channel()")
    app.close()


async def test_a_call_that_is_cancelled_on_a_silent_connection_ends_soon(
    proxy: Proxy, behind: PgQueue, work: Task[[], str]
) -> None:
    job = await work.aenqueue()
    assert proxy.silence("pgqueue") == 1
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(job.arefresh(), 0.1)
    assert time.monotonic() - began < 0.1 + connection.CANCEL_WITHIN + LATE


def _of_one(job: Job[str], timeout: float) -> None:
    job.result(timeout)


def _of_many(job: Job[str], timeout: float) -> None:
    list(app_of(job).as_completed([job], timeout=timeout))


def _of_workflow(job: Job[str], timeout: float) -> None:
    app_of(job).get_workflow(1).result(timeout)


def _of_watch(job: Job[str], timeout: float) -> None:
    list(app_of(job).get_workflow(1).watch(timeout))


WAITS = [_of_one, _of_many, _of_workflow, _of_watch]


async def _aof_one(job: Job[str], timeout: float) -> None:
    await job.aresult(timeout)


async def _aof_many(job: Job[str], timeout: float) -> None:
    async for _ in app_of(job).as_completed([job], timeout=timeout):
        pass


async def _aof_workflow(job: Job[str], timeout: float) -> None:
    await app_of(job).get_workflow(1).aresult(timeout)


async def _aof_watch(job: Job[str], timeout: float) -> None:
    async for _ in app_of(job).get_workflow(1).awatch(timeout):
        pass


ASYNC_WAITS = [_aof_one, _aof_many, _aof_workflow, _aof_watch]


def _blocked(work: Task[[], str]) -> Job[str]:
    """The only job of the workflow 1."""
    flow = app_of(work).workflow()
    flow.add(work, name="work")
    return flow.enqueue().jobs["work"]


@pytest.mark.parametrize("wait", WAITS)
def test_a_wait_keeps_its_timeout_when_its_connection_is_silent(
    proxy: Proxy, work: Task[[], str], wait: Callable[[Job[str], float], None]
) -> None:
    job = _blocked(work)
    assert proxy.silence("pgqueue") == 1
    began = time.monotonic()
    with pytest.raises(ResultTimeout) as raised:
        wait(job, 0.3)
    assert time.monotonic() - began < 0.3 + LATE
    assert isinstance(raised.value.__cause__, psycopg.OperationalError), "why is not told"


@pytest.mark.parametrize("wait", ASYNC_WAITS)
async def test_a_wait_of_async_code_keeps_its_timeout_when_its_connection_is_silent(
    proxy: Proxy, work: Task[[], str], wait: Callable[[Job[str], float], Any]
) -> None:
    job = await asyncio.to_thread(_blocked, work)
    await job.arefresh()
    assert proxy.silence("pgqueue") == 2
    began = time.monotonic()
    with pytest.raises(ResultTimeout) as raised:
        await wait(job, 0.3)
    assert time.monotonic() - began < 0.3 + LATE
    assert isinstance(raised.value.__cause__, psycopg.OperationalError), "why is not told"


@pytest.mark.parametrize("wait", WAITS)
def test_a_wait_keeps_its_timeout_when_the_pool_has_no_connection(
    behind: PgQueue, work: Task[[], str], wait: Callable[[Job[str], float], None]
) -> None:
    job = _blocked(work)
    with behind.database.pool().connection():
        began = time.monotonic()
        with pytest.raises(ResultTimeout):
            wait(job, 0.3)
        assert time.monotonic() - began < 0.3 + LATE


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("wait", WAITS)
def test_a_wait_with_time_left_looks_again_on_another_connection(
    proxy: Proxy, work: Task[[], str], look: Look, wait: Callable[[Job[str], float], None]
) -> None:
    job = _blocked(work)
    assert proxy.silence("pgqueue") == 1
    _run(look, state="succeeded", result="done")
    wait(job, 20)


@pytest.mark.usefixtures("short")
def test_a_silent_listener_of_waits_is_replaced(
    proxy: Proxy, work: Task[[], str], look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_waiting, "ASK_EVERY", 0.2)
    job = work.enqueue()
    waiting = threading.Thread(target=job.result, args=(20,))
    waiting.start()
    until(lambda: proxy.silence("pgqueue results"), "the listener")
    until(lambda: proxy.silence("pgqueue results"), "another listener", within=10)
    _run(look, state="succeeded", result="done")
    waiting.join(20)
    assert not waiting.is_alive()


@pytest.mark.usefixtures("short")
def test_a_command_whose_connection_goes_silent_ends_with_a_message(proxy: Proxy) -> None:
    from pgqueue.cli.session import Session

    with Session(proxy.url, None) as session:
        assert proxy.silence("pgqueue command") == 1
        with pytest.raises(DeadlinePassed, match=r"no answer within 0\.5 s"):
            session.run(manage_calls.cancel(1))


def test_a_migration_that_waits_for_ever_ends(database_url: str, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgqueue.migrate.own.STATEMENT_WITHIN", 0.3)
    with look.connection.transaction(force_rollback=True):
        look.rows("comment on schema pgqueue is null")  # as another migration has it
        with pytest.raises(Exception, match="no answer within"):
            migrate(database_url)


@pytest.fixture
def silent(proxy: Proxy) -> Iterator[connection.OwnConnection]:
    """A connection that has gone silent."""
    with open_connection(proxy.url, "test") as opened:
        opened.execute("select 1")
        assert proxy.silence("test") == 1
        yield opened


@pytest.mark.usefixtures("short")
def test_a_statement_whose_deadline_passes_closes_its_connection(silent: connection.OwnConnection) -> None:
    with pytest.raises(DeadlinePassed):
        silent.execute("select 1")
    assert silent.closed


@pytest.mark.usefixtures("short")
def test_a_statement_that_the_server_is_slow_with_does_not_run_on(database_url: str, look: Look) -> None:
    with open_connection(database_url, "test") as opened:
        pid = opened.info.backend_pid
        with pytest.raises(DeadlinePassed):
            opened.execute("select pg_sleep(60)")
    until(lambda: not look.rows("select pid from pg_stat_activity where pid = %s", pid), "the end of its backend")


def test_a_deadline_counts_for_each_wait(database_url: str) -> None:
    with open_connection(database_url, "test") as opened:
        opened.deadline = 0.6
        for _ in range(3):
            opened.execute("select pg_sleep(0.3)")
        opened.deadline = 0.2
        with pytest.raises(DeadlinePassed):
            opened.execute("select pg_sleep(5)")


async def test_a_cancelled_statement_of_a_connection_that_works_leaves_it_usable(database_url: str) -> None:
    async with await OwnAsyncConnection.connect(database_url, **connect_options(database_url, "test")) as opened:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(opened.execute("select pg_sleep(20)"), 0.1)
        cursor = await opened.execute("select 1")
        assert await cursor.fetchone() == (1,)


async def test_many_rows_and_long_texts_pass(database_url: str) -> None:
    async with await OwnAsyncConnection.connect(database_url, **connect_options(database_url, "test")) as opened:
        cursor = await opened.execute("select n, repeat('x', 1000) from generate_series(1, 20000) n")
        assert len(await cursor.fetchall()) == 20_000
        cursor = await opened.execute("select length(%s)", ("x" * 20_000_000,))
        assert await cursor.fetchone() == (20_000_000,)


def test_options_of_the_url_win(database_url: str) -> None:
    options = connect_options(f"{database_url} keepalives_idle=77 connect_timeout=3", "test")
    assert "keepalives_idle" not in options
    assert "connect_timeout" not in options
    assert options["tcp_user_timeout"] == 30_000


@pytest.mark.parametrize(("host", "each"), [("a", 4), ("a,b", 2), ("a,b,c,d,e,f", 2)])
def test_the_time_to_connect_is_shared_by_the_hosts(host: str, each: int) -> None:
    assert connect_options(f"postgresql://{host}/db", "test")["connect_timeout"] == each
