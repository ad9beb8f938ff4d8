"""ctx.log() and the standard logging of handlers: collected, stored, bounded."""

import asyncio
import json
import logging
import re
import threading
from typing import Any, cast
from uuid import UUID

import psycopg
import pytest

from pgqueue import InvalidArgument, JobContext, LogLine, PgQueue, logs
from pgqueue.database import Link
from pgqueue.database.call import Call
from pgqueue.database.calls.logs import Kept
from pgqueue.errors import ConfigurationError, Disconnected
from pgqueue.watching.said import MOST_BYTES, MOST_LINES, say
from pgqueue.worker import job_logs, log_handler
from pgqueue.worker.job_logs import JobLogs
from tests.looking import Look
from tests.waiting import auntil
from tests.worker import process_jobs
from tests.worker.blocks import INSERT, STEAL, stale_outcome
from tests.worker.conftest import burst, working
from tests.worker.jobs import job as a_job
from tests.worker.processes import InProcess


class Database:
    """A link that notes which lines are stored; it raises these errors first, and waits while `gate` is clear."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.calls = list(errors), list[list[dict[str, Any]]]()
        self.gate = asyncio.Event()
        self.gate.set()

    async def run(self, call: Any) -> Kept:
        made: Call[Kept] = call()
        self.calls.append(json.loads(made.params[1]))
        await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        return Kept([], MOST_LINES, MOST_BYTES)

    def messages(self) -> list[str]:
        """Every message that was sent."""
        return [line["message"] for call in self.calls for run in call for line in run["lines"]]


def _logs(database: Database) -> JobLogs:
    return JobLogs(cast(Link, database), lambda: UUID(int=1))


def _messages(lines: list[LogLine]) -> list[str]:
    return [line.message for line in lines]


async def test_lines_of_every_kind_of_handler_are_there_when_the_job_is_over(async_app: PgQueue, in_process: InProcess) -> None:
    @async_app.task
    async def in_loop(ctx: JobContext) -> None:
        ctx.log("one", number=1)
        await asyncio.sleep(0)
        ctx.log("two", level="error")

    @async_app.task
    def in_thread(ctx: JobContext) -> None:
        ctx.log("one", number=1)
        ctx.log("two", level="error")

    jobs = [task.enqueue() for task in (in_loop, in_thread, in_process(async_app, process_jobs.say_twice))]
    await burst(async_app)
    for job in jobs:
        one, two = job.logs()
        assert (one.seq, one.attempt, one.level, one.message, one.fields) == (1, 1, "info", "one", {"number": 1})
        assert (two.seq, two.level, two.message, two.fields) == (2, "error", "two", {})
        assert await job.alogs(after=1) == [two]
        assert one.at <= two.at


async def test_lines_of_an_attempt_that_failed_stay_and_the_next_ones_go_behind(async_app: PgQueue) -> None:
    @async_app.task
    async def work(ctx: JobContext) -> None:
        ctx.log(f"attempt {ctx.attempt}")
        if ctx.attempt == 1:
            raise ValueError

    job = work.using(retry=1).enqueue()
    async with working(async_app):
        await auntil(lambda: job.refresh().status == "scheduled", "the failure")
        async_app.retry(job.id)
        await job.aresult(timeout=20)
    assert [(line.attempt, line.message) for line in job.logs()] == [(1, "attempt 1"), (2, "attempt 2")]


async def test_lines_are_stored_while_the_handler_runs(async_app: PgQueue) -> None:
    seen: list[LogLine] = []

    @async_app.task
    async def work(ctx: JobContext) -> None:
        ctx.log("early")
        job = async_app.job(ctx.id)
        await auntil(job.logs, "the line")
        seen.extend(job.logs())

    work.enqueue()
    await burst(async_app)
    assert _messages(seen) == ["early"]


async def test_lines_of_a_job_that_its_transaction_has_finished_are_kept(async_app: PgQueue, written: None) -> None:
    @async_app.task
    async def work(ctx: JobContext) -> None:
        async with ctx.transaction() as tx:
            await tx.connection.execute(INSERT, (ctx.id,))
            ctx.log("inside")
        ctx.log("behind")

    job = work.enqueue()
    await burst(async_app)
    assert _messages(job.logs()) == ["inside", "behind"]


async def test_a_handler_that_is_given_back_keeps_its_lines(async_app: PgQueue) -> None:
    """They say what it was doing when the worker stopped."""

    @async_app.task
    async def work(ctx: JobContext) -> None:
        ctx.log("started")
        started.set()
        await asyncio.sleep(3600)

    started = asyncio.Event()
    job = work.enqueue()
    async with working(async_app, grace=0.1) as worker:
        await auntil(started.is_set, "the handler")
        worker.stop()
    assert job.refresh().status == "ready"
    assert _messages(job.logs()) == ["started"]


async def test_a_run_that_has_lost_its_job_stores_nothing(async_app: PgQueue, look: Look) -> None:
    @async_app.task(retry=0)
    async def work(ctx: JobContext) -> None:
        await asyncio.to_thread(look.rows, STEAL)
        ctx.log("stale")

    job = work.enqueue()
    async with working(async_app) as worker:
        await stale_outcome(worker)
    assert job.logs() == []


async def test_a_job_that_says_a_hundred_thousand_lines_goes_on_and_the_last_thousand_are_there(patient_app: PgQueue) -> None:
    most = 0

    @patient_app.task(timeout=0)
    def work(ctx: JobContext) -> int:
        nonlocal most
        logs = ctx._services.lines.__self__
        for n in range(100_000):
            ctx.log(f"line {n}")
            most = max(most, logs._size)
        return n

    job = work.enqueue()
    await burst(patient_app)
    assert job.result(timeout=0) == 99_999
    lines = job.logs()
    assert [(line.seq, line.message) for line in lines] == [(n + 1, f"line {n}") for n in range(99_000, 100_000)]
    assert most < 1_000_000


async def test_texts_that_postgresql_cannot_store_are_replaced_and_huge_ones_are_cut(async_app: PgQueue) -> None:
    @async_app.task(retry=0)
    async def work(ctx: JobContext) -> None:
        ctx.log("a\x00b\ud800c")
        ctx.log("x" * 10_000_000)
        ctx.log(
            "fields",
            nul="\x00",
            half="\ud800",
            deep=["\x00\\u0000"],
            big="y" * 10_000_000,
            nan=float("nan"),
            other={1, 2},
            self=3,
        )
        ctx.log("many", many=["z" * 100] * 1000)
        ctx.log("huge", huge=10**5000)

    job = work.enqueue()
    await burst(async_app)
    odd, long, fields, many, huge = job.logs()
    assert odd.message == "a\ufffdb?c"
    assert len(long.message) == 4096
    assert long.message.endswith("xxx … (10,000,000 characters)")
    assert fields.fields == {
        "nul": "\ufffd", "half": "?", "deep": ["\ufffd\\u0000"], "big": "y" * 2000, "nan": "nan", "other": "{1, 2}", "self": 3,
    }  # fmt: skip
    assert many.fields == {"left_out": "1 fields with 103,010 characters of JSON; at most 8,192 are kept"}
    assert huge.fields == {"huge": "a long integer"}


async def test_a_level_that_does_not_exist_is_refused_in_the_handler(async_app: PgQueue) -> None:
    caught: list[str] = []

    @async_app.task(retry=0)
    async def work(ctx: JobContext) -> None:
        try:
            ctx.log("x", level=cast(Any, "fatal"))
        except InvalidArgument as error:
            caught.append(str(error))

    work.enqueue()
    await burst(async_app)
    assert caught == ["level: 'fatal' is not valid; use debug, info, warning, error, critical"]


def test_a_context_without_a_worker_drops_its_lines() -> None:
    """So that a handler that says something can be tested by a call."""
    job = a_job(1)
    job.log("into the air")
    with pytest.raises(InvalidArgument):
        job.log("x", level=cast(Any, "fatal"))


async def test_standard_logging_is_kept_for_tasks_that_ask_for_it(
    async_app: PgQueue, in_process: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "given", lambda: None)  # else processes log as another test has configured it
    logger = logging.getLogger("shop.orders")

    def say_it() -> None:
        logger.debug("too low")
        logger.warning("order %s", 7, extra={"customer": 5})
        logging.getLogger("pgqueue.worker").warning("about the worker")
        try:
            raise ValueError("of the handler")
        except ValueError:
            logger.exception("failed")

    @async_app.task(log=True)
    async def in_loop() -> None:
        await asyncio.create_task(asyncio.to_thread(say_it))

    @async_app.task(log=True)
    def in_thread() -> None:
        say_it()

    @async_app.task(log="error")
    def errors_only() -> None:
        say_it()

    @async_app.task
    def unasked() -> None:
        say_it()

    jobs = [task.enqueue() for task in (in_loop, in_thread, errors_only, unasked)]
    processed = in_process(async_app, process_jobs.log_twice, log=True).enqueue()
    await burst(async_app)
    for job in jobs[:2]:
        order, failed = job.logs()
        assert (order.level, order.message) == ("warning", "order 7")
        assert order.fields == {"logger": "shop.orders", "customer": 5}
        assert (failed.level, failed.message) == ("error", "failed")
        assert failed.fields["traceback"].endswith("ValueError: of the handler\n")
    assert _messages(jobs[2].logs()) == ["failed"]
    assert jobs[3].logs() == []
    assert _messages(processed.logs()) == ["first", "second"]


def test_a_level_of_a_task_that_does_not_exist_is_refused() -> None:
    app = PgQueue("postgresql://nobody@localhost:1/nothing")
    with pytest.raises(ConfigurationError, match=r"^log: 'loud' is not valid; use True, or one of debug, info"):
        app.task(name="loud", log=cast(Any, "loud"))(lambda: None)


def test_a_record_that_cannot_be_formatted_says_so() -> None:
    record = logging.LogRecord("shop", logging.CRITICAL + 5, "", 0, "a %d", ("wrong",), None)
    said = log_handler._said(record)
    assert said.level == "critical"
    assert said.message == "'a %d' cannot be formatted: %d format: a real number is required, not str"


def test_a_record_whose_message_raises_does_not_fail_the_handler() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError("no text")

    said = log_handler._said(logging.LogRecord("shop", logging.INFO, "", 0, Broken(), None, None))
    assert re.fullmatch(r"<Broken instance at 0x\w+> cannot be formatted: no text", said.message)


async def test_lines_of_many_jobs_are_one_call() -> None:
    database = Database()
    logs = _logs(database)
    for id in (1, 2, 3):
        logs.add(a_job(id), say(f"of {id}"))
    await logs.store()
    ((first, second, third),) = database.calls
    assert [run["id"] for run in (first, second, third)] == [1, 2, 3]
    assert first["lines"][0]["n"] == 1


async def test_a_hundred_lines_do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_logs, "EVERY", 600.0)
    database, job = Database(), a_job(1)
    logs = _logs(database)
    run = asyncio.create_task(logs.run())
    for _ in range(99):
        logs.add(job, say("x"))
    await asyncio.sleep(0.05)
    assert database.calls == []
    logs.add(job, say("x"))
    await auntil(lambda: database.calls, "the call")
    assert len(database.messages()) == 100
    run.cancel()


async def test_lines_whose_call_was_not_answered_are_sent_again_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_logs, "EVERY", 0.0)
    database, job = Database(Disconnected("gone")), a_job(1)
    logs = _logs(database)
    logs.add(job, say("one"))
    await logs.store()
    logs.add(job, say("two"))
    await logs.drain(5)
    assert [[line["n"] for line in call[0]["lines"]] for call in database.calls] == [[1], [1], [2]]


async def test_a_loop_sends_again_without_a_new_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_logs, "EVERY", 0.01)
    database = Database(Disconnected("gone"))
    logs = _logs(database)
    run = asyncio.create_task(logs.run())
    logs.add(a_job(1), say("one"))
    await auntil(lambda: len(database.calls) == 2, "the second try")
    run.cancel()


async def test_lines_that_the_database_refuses_are_dropped_with_an_error(caplog: pytest.LogCaptureFixture) -> None:
    database = Database(psycopg.errors.InsufficientPrivilege("no"))
    logs = _logs(database)
    logs.add(a_job(1), say("one"))
    await logs.drain(5)
    assert "1 lines of jobs are not stored: no" in caplog.text
    assert logs._size == 0


async def test_outcomes_wait_for_lines_a_moment_and_not_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_logs, "OUTCOME_WAITS", 0.01)
    database, job = Database(), a_job(1)
    database.gate.clear()
    logs = _logs(database)
    logs.add(job, say("one"))
    await logs.before([job])
    assert len(database.calls) == 1
    monkeypatch.setattr(job_logs, "OUTCOME_WAITS", 600.0)
    await logs.before([job])  # at once
    database.gate.set()
    await auntil(lambda: not logs._sending, "the lines")


async def test_outcomes_of_runs_that_say_nothing_wait_for_none() -> None:
    database = Database()
    logs = _logs(database)
    logs.add(a_job(1), say("one"))
    await logs.before([a_job(2)])
    assert database.calls == []


async def test_what_waits_for_a_database_that_does_not_answer_is_bounded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(job_logs, "MOST_HELD", 50_000)
    database, jobs = Database(), [a_job(id) for id in range(1, 200)]
    logs = _logs(database)
    for job in jobs:
        logs.add(job, say("x" * 1000))
    assert logs._size <= 50_000
    await logs.store()
    assert "158 lines of jobs were left out" in caplog.text
    assert len(database.messages()) == 41


async def test_runs_whose_lines_are_left_out_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_logs, "MOST_HELD", 50_000)
    logs = _logs(Database())
    for id in range(1, 1000):
        logs.add(a_job(id), say("x" * 1000))
    assert len(logs._waiting) == 41
    assert not any(isinstance(key, JobContext) for key in logs._waiting), "the arguments of jobs that are over are kept"


async def test_outcomes_do_not_pile_up_calls_that_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_logs, "OUTCOME_WAITS", 0.001)
    monkeypatch.setattr(job_logs, "NO_MORE_FOR", 0.0)
    database, job = Database(), a_job(1)
    database.gate.clear()
    logs = _logs(database)
    for _ in range(20):
        logs.add(job, say("one"))
        await logs.before([job])
    assert len(logs._flushes) == job_logs.MOST_FLUSHES
    database.gate.set()
    await logs.drain(5)
    assert len(database.messages()) == 20


async def test_threads_that_say_lines_at_once_lose_none() -> None:
    database, job = Database(), a_job(1)
    logs = _logs(database)

    def say_many() -> None:
        for _ in range(100):
            logs.add(job, say("x"))

    threads = [threading.Thread(target=say_many) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        await logs.store()
    await logs.drain(5)
    assert [line["n"] for call in database.calls for line in call[0]["lines"]] == list(range(1, 801))
