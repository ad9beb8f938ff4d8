"""Middleware around each run: what it sees, and what it may make of it."""

import contextvars
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from pgqueue import JobContext, PgQueue, Retry, Snooze
from pgqueue.errors import ConfigurationError, RemoteError
from tests.looking import Look
from tests.worker import process_jobs
from tests.worker.conftest import burst
from tests.worker.processes import InProcess

REQUEST: contextvars.ContextVar[str] = contextvars.ContextVar("REQUEST", default="none")


async def test_the_first_registered_is_outermost_and_sees_the_job(async_app: PgQueue) -> None:
    happened: list[Any] = []

    @async_app.around_execution
    async def outer(job: JobContext) -> AsyncIterator[None]:
        happened.append(("outer", job.id, job.args))
        yield
        happened.append("outer ends")

    @async_app.around_execution
    @asynccontextmanager
    async def inner(job: JobContext) -> AsyncIterator[None]:
        happened.append("inner")
        yield
        happened.append("inner ends")

    @async_app.task
    async def work(n: int) -> int:
        happened.append("handler")
        return n

    job = work.enqueue(5)
    await burst(async_app)
    assert await job.aresult(timeout=0) == 5
    assert happened == [("outer", job.id, {"n": 5}), "inner", "handler", "inner ends", "outer ends"]


async def test_what_it_sets_in_context_variables_is_for_this_run(async_app: PgQueue) -> None:
    before: list[str] = []

    @async_app.around_execution
    async def name_it(job: JobContext) -> AsyncIterator[None]:
        before.append(REQUEST.get())
        REQUEST.set(f"job {job.args['n']}")
        yield

    @async_app.task
    async def on_loop(n: int) -> str:
        return REQUEST.get()

    @async_app.task
    def in_thread(n: int) -> str:
        return REQUEST.get()

    jobs = [on_loop.enqueue(1), on_loop.enqueue(2), in_thread.enqueue(3)]
    await burst(async_app, concurrency=1)
    assert [await job.aresult(timeout=0) for job in jobs] == ["job 1", "job 2", "job 3"]
    assert before == ["none"] * 3


def _register(app: PgQueue, in_process: InProcess, kind: str) -> Any:
    async def on_loop(kind: str) -> None:
        raise process_jobs.Odd(f"of {kind}")

    def in_thread(kind: str) -> None:
        raise process_jobs.Odd(f"of {kind}")

    if kind == "process":
        return in_process(app, process_jobs.fail, name="work", retry=Retry(0))
    return app.task(name="work", retry=Retry(0))(on_loop if kind == "async" else in_thread)


@pytest.mark.parametrize("kind", ["async", "thread", "process"])
async def test_what_the_handler_raises_passes_through_it(
    async_app: PgQueue, look: Look, in_process: InProcess, kind: str
) -> None:
    seen: list[BaseException] = []

    @async_app.around_execution
    async def watch(job: JobContext) -> AsyncIterator[None]:
        try:
            yield
        except Exception as error:
            seen.append(error)
            raise

    job = _register(async_app, in_process, kind).enqueue(kind)
    await burst(async_app)
    assert look.job(job.id)["errors"][0]["type"] == "tests.worker.process_jobs.Odd"
    (error,) = seen
    assert isinstance(error, RemoteError if kind == "process" else process_jobs.Odd)


@pytest.mark.parametrize("kind", ["async", "thread", "process"])
async def test_what_the_handler_raises_may_be_replaced(async_app: PgQueue, look: Look, in_process: InProcess, kind: str) -> None:
    @async_app.around_execution
    async def translate(job: JobContext) -> AsyncIterator[None]:
        try:
            yield
        except Exception as error:
            raise LookupError("another") from error

    job = _register(async_app, in_process, kind).enqueue(kind)
    await burst(async_app)
    (error,) = look.job(job.id)["errors"]
    assert (error["type"], error["message"]) == ("LookupError", "another")
    assert "Odd: of" in error["traceback"]


@pytest.mark.parametrize("kind", ["async", "thread", "process"])
async def test_what_the_handler_raises_may_be_swallowed_and_the_job_succeeds(
    async_app: PgQueue, look: Look, in_process: InProcess, kind: str
) -> None:
    @async_app.around_execution
    async def swallow(job: JobContext) -> AsyncIterator[None]:
        with suppress(Exception):
            yield

    job = _register(async_app, in_process, kind).enqueue(kind)
    await burst(async_app)
    assert look.state(job.id) == "succeeded"
    assert await job.aresult(timeout=0) is None


async def test_what_it_raises_itself_is_the_job_s_failure(async_app: PgQueue, look: Look) -> None:
    ran: list[int] = []

    @async_app.around_execution
    async def refuse(job: JobContext) -> AsyncIterator[None]:
        if job.args["n"] == 1:
            raise PermissionError("before")
        yield
        raise PermissionError("after")

    @async_app.task(retry=Retry(0))
    async def work(n: int) -> Any:
        ran.append(n)
        return Snooze(60)

    jobs = [work.enqueue(1), work.enqueue(2)]
    await burst(async_app)
    assert ran == [2]
    assert [look.job(job.id)["errors"][0]["message"] for job in jobs] == ["before", "after"]


async def test_what_the_handler_returns_decides_as_without_it(async_app: PgQueue, look: Look, in_process: InProcess) -> None:
    @async_app.around_execution
    async def nothing(job: JobContext) -> AsyncIterator[None]:
        yield

    @async_app.task
    async def later() -> Any:
        return Snooze(60)

    answer = in_process(async_app, process_jobs.answer)
    jobs = [later.enqueue(), answer.enqueue("snooze")]
    await burst(async_app)
    assert [look.job(job.id)["state"] for job in jobs] == ["scheduled", "scheduled"]
    assert [look.job(job.id)["attempt"] for job in jobs] == [0, 0]


async def test_jobs_of_a_task_that_nobody_knows_meet_no_middleware(async_app: PgQueue, look: Look) -> None:
    @async_app.around_execution
    async def fail(job: JobContext) -> AsyncIterator[None]:
        raise AssertionError
        yield

    job = look.value("select enqueue('unknown')")
    await burst(async_app)
    assert look.job(job)["errors"] is None


def test_what_is_no_middleware_is_refused(app: PgQueue) -> None:
    async def coroutine(job: JobContext) -> None: ...

    for wrong in (coroutine, lambda job: None):
        with pytest.raises(ConfigurationError, match=r"around_execution: .* is not valid; use an async generator function"):
            app.around_execution(wrong)
        with pytest.raises(ConfigurationError, match=r"around_enqueue: .* is not valid; use a generator function \(def\)"):
            app.around_enqueue(wrong)
