"""execute() is pure: a job goes in, one outcome comes out. No test here has a database."""

import asyncio
import contextvars
import re
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from pgqueue import Cancel, JobContext, PgQueue, RetryIn, Snooze
from pgqueue._trace import TRACEBACK
from pgqueue.worker.begin import begin
from pgqueue.worker.execute import execute
from pgqueue.worker.outcome import Outcome
from tests.worker.jobs import TOKEN, job, said

REQUEST: contextvars.ContextVar[str] = contextvars.ContextVar("REQUEST", default="none")


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no message either")


class Unusual(BaseException): ...


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2, thread_name_prefix="handler") as pool:
        yield pool


async def _run(threads: ThreadPoolExecutor, handler: Callable[..., Any], **args: Any) -> dict[str, Any]:
    task = PgQueue("postgresql://nobody@localhost:1/nothing").task(name="handler")(handler)
    async with asyncio.timeout(5):
        return said(await execute(job(**args), task, threads))


async def _both(threads: ThreadPoolExecutor, returns: Callable[[], Any]) -> dict[str, Any]:
    """What becomes of a handler that does this, sync or async: the same."""

    async def handler() -> Any:
        return returns()

    outcomes = [await _run(threads, handler), await _run(threads, returns)]
    for outcome in outcomes:
        outcome.pop("elapsed")
        if "error" in outcome:
            outcome["error"].pop("traceback")
    assert outcomes[0] == outcomes[1]
    return outcomes[0]


def _raiser(error: BaseException) -> Callable[[], Any]:
    def handler() -> Any:
        raise error

    return handler


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        (None, {"state": "succeeded"}),
        ("text", {"state": "succeeded", "result": "text"}),
        (0, {"state": "succeeded", "result": 0}),
        ({"a": (1, 2)}, {"state": "succeeded", "result": {"a": [1, 2]}}),
        (Snooze(30), {"state": "snoozed", "delay": 30}),
        (Snooze(timedelta(minutes=1)), {"state": "snoozed", "delay": 60}),
    ],
)
async def test_a_returned_value_decides_the_outcome(threads: ThreadPoolExecutor, returned: Any, expected: Any) -> None:
    assert await _both(threads, lambda: returned) == {"id": 1, "token": TOKEN, **expected}


async def test_cancel_and_retry_in_say_why(threads: ThreadPoolExecutor) -> None:
    cancelled = await _both(threads, lambda: Cancel("no such user"))
    assert (cancelled["state"], cancelled["error"]["message"]) == ("cancelled", "no such user")
    again = await _both(threads, lambda: RetryIn(60, "rate limited"))
    assert (again["state"], again["delay"], again["error"]["message"]) == ("failed", 60, "rate limited")


@pytest.mark.parametrize("value", [object(), {1, 2}, float("nan"), [float("inf")], "half \ud800", {1: object()}, b"bytes"])
async def test_a_result_that_is_not_json_is_a_failure(threads: ThreadPoolExecutor, value: Any) -> None:
    outcome = await _both(threads, lambda: value)
    assert outcome["state"] == "failed"
    assert {"TypeError", "ValueError"} & set(outcome["error"]["types"])
    assert (outcome["reason"], outcome["final"]) == ("system_error", True)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        SystemExit(3),
        KeyboardInterrupt("no signal"),
        asyncio.CancelledError("own"),
        TimeoutError(),
        Unusual("odd"),
        ExceptionGroup("g", [OSError()]),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_whatever_a_handler_raises_is_its_job_s_failure(threads: ThreadPoolExecutor, error: BaseException) -> None:
    outcome = await _both(threads, _raiser(error))
    assert outcome["state"] == "failed"
    assert outcome["error"]["type"].split(".")[-1] == type(error).__name__
    assert outcome["error"]["message"] == str(error)


async def test_stop_iteration_in_a_thread_is_a_failure_like_any_other(threads: ThreadPoolExecutor) -> None:
    outcome = await _run(threads, _raiser(StopIteration("over")))
    assert outcome["state"] == "failed"
    assert "StopIteration" in outcome["error"]["traceback"]


async def test_an_exception_that_cannot_be_printed_is_a_failure_too(threads: ThreadPoolExecutor) -> None:
    outcome = await _both(threads, _raiser(Unprintable()))
    assert outcome["error"]["type"] == f"{__name__}.Unprintable"


async def test_an_error_names_its_class_and_all_it_inherits_from(threads: ThreadPoolExecutor) -> None:
    error = (await _both(threads, _raiser(ConnectionRefusedError("closed"))))["error"]
    assert error["types"] == ["ConnectionRefusedError", "ConnectionError", "OSError", "Exception", "BaseException", "object"]


async def test_a_traceback_shows_the_handler_s_line_and_is_cut(threads: ThreadPoolExecutor) -> None:
    def handler(depth: int = 10) -> None:
        try:
            raise ValueError("x" * 100_000)
        finally:
            if depth:
                handler(depth - 1)

    error = (await _run(threads, handler))["error"]
    assert len(error["traceback"]) == TRACEBACK
    short = await _run(threads, _raiser(ValueError("short")))
    assert "raise error" in short["error"]["traceback"]
    assert "ValueError: short" in short["error"]["traceback"]


async def test_text_that_postgresql_cannot_hold_is_replaced_in_messages(threads: ThreadPoolExecutor) -> None:
    error = (await _both(threads, _raiser(ValueError("nul \x00 and half \ud800"))))["error"]
    assert error["message"] == "nul \ufffd and half ?"


async def test_an_unknown_task_is_told_of_once(
    threads: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgqueue.worker.execute._unknown", set())
    for name in ("welcom", "welcom", "other", "welcom"):
        await execute(job(task=name), None, threads)
    assert [record.getMessage().partition(";")[0] for record in caplog.records] == [
        "no task 'welcom' here",
        "no task 'other' here",
    ]
    assert {record.levelname for record in caplog.records} == {"WARNING"}


async def test_an_unknown_task_is_an_outcome(threads: ThreadPoolExecutor) -> None:
    outcome = said(await execute(job(), None, threads))
    assert (outcome["state"], outcome["id"], outcome["token"]) == ("unknown_task", 1, TOKEN)


async def test_arguments_that_the_handler_does_not_take_any_more_are_a_failure(threads: ThreadPoolExecutor) -> None:
    async def handler(new: int) -> None: ...

    outcome = await _run(threads, handler, old=1)
    assert outcome["error"]["type"] == "pgqueue.errors.InvalidArgument"
    assert outcome["error"]["message"] == "args: task 'handler' misses 'new'; has no argument 'old'; it takes 'new'"


@pytest.mark.parametrize("is_async", [True, False])
async def test_the_context_is_passed_by_annotation(threads: ThreadPoolExecutor, is_async: bool) -> None:
    def handler(value: int, *, where: JobContext) -> Any:
        return [where.id, where.token, where.attempt, where.args, value]

    async def handler_async(where: JobContext, value: int) -> Any:
        return handler(value, where=where)

    outcome = await _run(threads, handler_async if is_async else handler, value=5)
    assert outcome["result"] == [1, TOKEN, 1, {"value": 5}, 5]


async def test_a_sync_handler_runs_in_a_thread_with_a_copy_of_the_context(threads: ThreadPoolExecutor) -> None:
    def handler() -> list[str]:
        seen = REQUEST.get()
        REQUEST.set("changed by the handler")
        return [threading.current_thread().name[:7], seen]

    REQUEST.set("of the caller")
    assert (await _run(threads, handler))["result"] == ["handler", "of the caller"]
    assert REQUEST.get() == "of the caller"


async def test_an_async_handler_runs_on_the_loop_and_keeps_its_context_variables_to_itself(threads: ThreadPoolExecutor) -> None:
    async def handler() -> list[Any]:
        before = REQUEST.get()
        REQUEST.set("mine")
        await asyncio.sleep(0)
        return [threading.current_thread() is threading.main_thread(), before, REQUEST.get()]

    REQUEST.set("of the caller")
    assert (await _run(threads, handler))["result"] == [True, "of the caller", "mine"]
    assert REQUEST.get() == "of the caller"


@pytest.mark.parametrize("mark", ["dropped", "cancelled", None])
async def test_only_a_run_that_the_worker_cancels_has_no_outcome(threads: ThreadPoolExecutor, mark: str | None) -> None:
    async def handler() -> None:
        await asyncio.sleep(60)

    task = PgQueue("postgresql://nobody@localhost:1/nothing").task(name="handler")(handler)
    given = job()
    run = asyncio.create_task(execute(given, task, threads))
    await asyncio.sleep(0.01)
    if mark is not None:
        setattr(given, mark, True)
    run.cancel()
    if mark is None:
        assert said(await run)["state"] == "failed"
    else:
        with pytest.raises(asyncio.CancelledError):
            await run


async def test_elapsed_is_the_time_in_the_handler(threads: ThreadPoolExecutor) -> None:
    async def handler() -> None:
        await asyncio.sleep(0.05)

    assert 0.04 < (await _run(threads, handler))["elapsed"] < 4


async def test_a_plain_async_job_costs_few_calls(threads: ThreadPoolExecutor) -> None:
    """A worker runs tens of thousands of these a second: each call costs it a percent or two, the digits of a float five."""

    async def handler(sent_at: float) -> None: ...

    task = PgQueue("postgresql://nobody@localhost:1/nothing").task(handler)
    given = job(sent_at=1.5)
    called: list[str] = []
    sys.setprofile(lambda frame, event, arg: called.append(frame.f_code.co_qualname) if event == "call" else None)
    try:
        done = begin(given, task)
    finally:
        sys.setprofile(None)
    assert "Arguments.load" in called
    assert len(called) <= 5
    assert isinstance(done, Outcome)
    assert done.is_plain
    assert re.search(r'"elapsed":0\.\d{6}}$', done.json)
