"""The Python worker over HTTP: the tasks of an app, without a connection to the database."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from pgqueue import JobContext, PgQueue, RetryIn, Snooze
from pgqueue.errors import OutsideWorker
from pgqueue.http_worker import HttpWorker, HttpWorkerOptions
from tests.waiting import auntil, until

Db = psycopg.Connection[Any]


@asynccontextmanager
async def working(app: PgQueue, base_url: str, **options: Any) -> AsyncIterator[HttpWorker]:
    """An HTTP worker that runs, and ends gracefully."""
    worker = HttpWorker(app, HttpWorkerOptions(base_url, handle_signals=False, lease=5, **options))
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await asyncio.wait_for(running, 20)


def rows(connection: Db, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    return connection.execute(query.encode()).fetchall()


def states(connection: Db) -> dict[str, str]:
    """The states of all jobs by their tasks."""
    return dict(rows(connection, "select task, state::text from jobs"))


async def test_it_runs_async_handlers_and_handlers_in_threads_and_reports_what_they_return(
    app: PgQueue, base_url: str, connection: Db
) -> None:
    @app.task
    async def double(number: int) -> int:
        return number * 2

    @app.task
    def shout(text: str) -> str:
        return text.upper()

    @app.task(retry=0)
    async def fails() -> None:
        raise LookupError("no such customer")

    @app.task
    async def later() -> Snooze:
        return Snooze(60)

    @app.task
    async def again() -> RetryIn:
        return RetryIn(60, "busy")

    doubled, shouted = double.enqueue(2**70), shout.enqueue("hé")
    fails.enqueue(), later.enqueue(), again.enqueue()
    async with working(app, base_url):
        await auntil(lambda: len(rows(connection, "select from job where state in ('ready', 'running')")) == 0, "all runs")
    ended = {"double": "succeeded", "shout": "succeeded", "fails": "failed", "later": "scheduled", "again": "scheduled"}
    assert states(connection) == ended
    assert (await doubled.aresult(), await shouted.aresult()) == (2**71, "HÉ")
    error = rows(connection, "select errors->-1->>'type', errors->-1->>'traceback' from dead_letter")[0]
    assert error[0] == "LookupError"
    assert "in fails" in error[1]
    assert rows(connection, "select 1 from worker where name not like 'api %'") == []


async def test_progress_and_log_lines_arrive_and_the_rest_of_the_context_says_why_not(
    app: PgQueue, base_url: str, connection: Db
) -> None:
    refused: list[str] = []

    @app.task
    async def works(ctx: JobContext) -> None:
        await ctx.aprogress(1, 2, "half")
        ctx.log("hello", customer=5)
        try:
            ctx.transaction()
        except OutsideWorker as error:
            refused.append(str(error))

    @app.task
    def in_thread(ctx: JobContext) -> None:
        ctx.progress(3, 3)

    works.enqueue(), in_thread.enqueue()
    async with working(app, base_url):
        await auntil(lambda: set(states(connection).values()) == {"succeeded"}, "both")
        await auntil(lambda: rows(connection, "select message, fields from job_log") == [("hello", {"customer": 5})], "the line")
    assert len(refused) == 1


async def test_a_cancelled_job_is_stopped(app: PgQueue, base_url: str, connection: Db) -> None:
    @app.task
    async def sleeps() -> None:
        await asyncio.sleep(60)

    job = sleeps.enqueue()
    async with working(app, base_url):
        await auntil(lambda: rows(connection, "select 1 from job where state = 'running'"), "the start")
        connection.execute("select cancel(%s)", (job.id,))
        await auntil(lambda: states(connection) == {"sleeps": "cancelled"}, "the end", within=10)


async def test_a_run_that_takes_too_long_is_ended(app: PgQueue, base_url: str, connection: Db) -> None:
    @app.task(timeout=0.2, retry=0)
    async def sleeps() -> None:
        await asyncio.sleep(60)

    sleeps.enqueue()
    async with working(app, base_url):
        await auntil(lambda: rows(connection, "select reason::text from dead_letter") == [("timeout",)], "the end", within=10)


async def test_a_worker_whose_lease_is_lost_drops_its_runs_and_registers_again(
    app: PgQueue, base_url: str, connection: Db
) -> None:
    dropped = threading.Event()

    @app.task
    async def sleeps() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            dropped.set()
            raise

    sleeps.enqueue()
    async with working(app, base_url, grace=0) as worker:
        await auntil(lambda: rows(connection, "select 1 from job where state = 'running'"), "the start")
        first = worker._id
        rows(connection, "update worker set heartbeat_at = heartbeat_at - interval '1 h' where concurrency = 10 returning 1")
        await auntil(dropped.is_set, "the end of the run", within=10)
        await auntil(lambda: worker._id != first, "another id")


async def test_it_stops_gracefully_and_gives_back_what_has_not_ended(app: PgQueue, base_url: str, connection: Db) -> None:
    @app.task
    async def sleeps() -> None:
        await asyncio.sleep(60)

    sleeps.enqueue()
    async with working(app, base_url, grace=0.1):
        await auntil(lambda: rows(connection, "select 1 from job where state = 'running'"), "the start")
    assert rows(connection, "select state::text, attempt from job") == [("ready", 0)]


async def test_a_result_that_the_api_refuses_is_a_failure_of_its_job_alone(app: PgQueue, base_url: str, connection: Db) -> None:
    @app.task
    async def large(size: int) -> str:
        return "x" * size

    large.enqueue(1_048_560), large.enqueue(3)
    async with working(app, base_url):
        await auntil(lambda: rows(connection, "select 1 from jobs where state in ('ready', 'running')") == [], "both")
    found = rows(connection, "select state::text, reason::text from jobs order by id")
    assert found == [("failed", "system_error"), ("succeeded", None)]


def test_the_module_runs_without_a_database_url_and_without_fastapi(
    connection: Db, base_url: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mail.py").write_text(
        "import sys\nfrom pgqueue import PgQueue\napp = PgQueue()\n"
        "@app.task\ndef send(to: str) -> bool:\n    return 'fastapi' in sys.modules\n"
    )
    for name in ("PGQUEUE_DATABASE_URL", "PGQUEUE_TEST_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    connection.execute("select enqueue('send', '{\"to\": \"x\"}')")
    command = [sys.executable, "-m", "pgqueue.http_worker", "mail:app", "--url", base_url]
    process = subprocess.Popen(command, cwd=tmp_path)
    try:
        until(lambda: rows(connection, "select value from job_result") == [(False,)], "the result")
    finally:
        process.terminate()
        assert process.wait(10) == 0


def test_without_the_extra_it_says_what_to_install() -> None:
    code = "import sys, runpy; sys.modules['httpx'] = None; sys.argv = ['x', 'jobs:app']; runpy.run_module('pgqueue.http_worker')"
    code = code.replace("'pgqueue.http_worker')", "'pgqueue.http_worker', run_name='__main__')")
    ended = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (2, "pgqueue: httpx is missing: pip install 'pgqueue-native[http-worker]'\n")


def test_a_worker_that_does_not_reach_the_api_ends_with_sigterm() -> None:
    command = [sys.executable, "-m", "pgqueue.http_worker", "tests.cli.jobs:app", "--url", "http://127.0.0.1:1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        assert "All connection attempts failed" in process.stdout.readline()
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()
