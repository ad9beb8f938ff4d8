"""Texts of any size from handlers: they are cut where they are made, and hold up nothing."""

import asyncio
import logging
import time
import traceback
from typing import Any

import pytest

from pgqueue import Cancel, InvalidArgument, PgQueue, RateLimited, Retry, RetryIn
from pgqueue._trace import loggable, logged, trace
from pgqueue.worker.describe import describe
from tests.looking import Look
from tests.worker import process_jobs
from tests.worker.conftest import burst
from tests.worker.processes import InProcess

LOG_LINE = 16_000  # bytes
MB = 1_000_000


class Loud(Exception):
    """Quotes what it got, as many exceptions of libraries do."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __str__(self) -> str:
        return "x" * self.size


def _lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What a plain formatter makes of each record."""
    return [logging.Formatter("%(message)s").format(record) for record in caplog.records]


async def test_good_jobs_beside_huge_messages_are_finished_at_once(
    async_app: PgQueue, look: Look, caplog: pytest.LogCaptureFixture
) -> None:
    sizes = [1000, 5 * MB, 150 * MB, 300 * MB]

    @async_app.task(retry=0)
    async def shout(size: int) -> None:
        raise Loud(size)

    @async_app.task
    async def fine(n: int) -> int:
        return n

    bad = shout.enqueue_many([(size,) for size in sizes])
    good = fine.enqueue_many([(n,) for n in range(100)])
    started = time.monotonic()
    await burst(async_app)
    assert time.monotonic() - started < 3.0  # 2 s for the jobs, and a worker that starts and ends
    assert {look.state(job.id) for job in good} == {"succeeded"}
    assert [len(look.job(job.id)["errors"][-1]["message"]) for job in bad] == [1000, 4096, 4096, 4096]
    assert max(len(line.encode()) for line in _lines(caplog)) < LOG_LINE


async def test_a_huge_message_from_a_thread_or_a_process_is_cut_there(
    async_app: PgQueue, in_process: InProcess, look: Look, caplog: pytest.LogCaptureFixture
) -> None:
    @async_app.task(retry=0)
    def shout_in_thread(size: int) -> None:
        raise KeyError("x" * size)

    shout_in_process = in_process(async_app, process_jobs.shout, retry=0)
    jobs = [shout_in_thread.enqueue(150 * MB), shout_in_process.enqueue(150 * MB)]
    await burst(async_app)
    errors = [look.job(job.id)["errors"][-1] for job in jobs]
    assert [(error["type"], len(error["message"])) for error in errors] == [("KeyError", 4096)] * 2
    assert max(len(line.encode()) for line in _lines(caplog)) < LOG_LINE


async def test_reasons_are_cut_and_become_text_that_postgresql_can_store(async_app: PgQueue, look: Look) -> None:
    give: dict[str, Any] = {
        "cancel": lambda: Cancel("x" * 50 * MB),
        "retry": lambda: RetryIn(60, "x" * 50 * MB),
        "cancel with nul": lambda: Cancel("a\x00b\ud800"),
        "retry with nul": lambda: RetryIn(60, "a\x00b\ud800"),
    }

    @async_app.task
    async def end(how: str) -> Any:
        return give[how]()

    jobs = end.enqueue_many([(how,) for how in give])
    await burst(async_app)
    ended = [look.job(job.id) for job in jobs]
    assert [row["state"] for row in ended] == ["cancelled", "scheduled"] * 2
    assert [row["errors"][-1]["message"] for row in ended] == ["x" * 1000, "x" * 1000, "a\ufffdb?", "a\ufffdb?"]


async def test_names_of_types_are_cut_and_storable(async_app: PgQueue, look: Look) -> None:
    odd = type("Odd", (Exception,), {"__module__": "m\x00\ud800" * MB})

    @async_app.task(retry=0)
    async def fail() -> None:
        raise odd("no")

    job = fail.enqueue()
    await burst(async_app)
    error = look.job(job.id)["errors"][-1]
    assert error["type"].startswith("m\ufffd?")
    assert len(error["type"]) == 200


async def test_what_callbacks_and_ignored_errors_log_is_cut(async_app: PgQueue, caplog: pytest.LogCaptureFixture) -> None:
    @async_app.task
    async def fine() -> None:
        pass

    @async_app.on_success
    async def told(event: Any) -> None:
        raise Loud(20 * MB)

    fine.enqueue()
    await burst(async_app)
    (line,) = [line for line in _lines(caplog) if "failed" in line]
    assert "Loud: xxx" in line
    assert len(line.encode()) < LOG_LINE


@pytest.mark.parametrize(
    ("key", "words"), [("x" * 5 * MB, "use the key of a limit"), ("a\x00", "cannot store NUL"), ("\ud800", "half of a surrogate")]
)
def test_a_key_that_no_limit_can_have_is_refused_when_it_is_raised(key: str, words: str) -> None:
    with pytest.raises(InvalidArgument, match=f"^key: .*{words}") as caught:
        RateLimited(1, key)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("outcome", [Cancel, lambda reason: RetryIn(1, reason)])
def test_a_reason_that_is_no_text_is_refused(outcome: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"^reason: 5 is not valid; use a text$"):
        outcome(5)


def _chained(count: int, size: int) -> Exception:
    error: Exception | None = None
    for n in range(count):
        after = ValueError(f"{n} " + "é" * size)
        after.__cause__, error = error, after
    assert error is not None
    return error


def _nested(depth: int, width: int) -> Exception:
    if not depth:
        return Loud(MB)
    return ExceptionGroup("group", [_nested(depth - 1, width) for _ in range(width)])


def _circle() -> Exception:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    return one


def _noted() -> Exception:
    error = ValueError("noted")
    error.add_note("n" * MB)
    return error


@pytest.mark.parametrize(
    "error",
    [
        Loud(100 * MB),
        KeyError("x" * 100 * MB),
        ValueError("x" * 100 * MB, 1),
        _chained(5000, 2000),
        _nested(4, 20),
        _circle(),
        _noted(),
    ],
    ids=["message", "quoted", "arguments", "chain", "groups", "circle", "note"],
)
def test_describing_and_logging_an_error_is_bounded_in_size_and_time(error: Exception) -> None:
    started = time.perf_counter()
    said = describe(error)
    shown = logged(error)
    stand_in = loggable(error)
    assert time.perf_counter() - started < 2.0
    assert len(said["message"]) <= 4096
    assert len(said["traceback"] or "") <= 16384
    assert len(shown.encode()) <= LOG_LINE / 2
    if not isinstance(error.__cause__, ValueError) or stand_in is not error:
        text = logging.Formatter().formatException((type(stand_in), stand_in, stand_in.__traceback__))
        assert len(text.encode()) <= LOG_LINE


def test_a_traceback_reads_as_python_writes_it() -> None:
    def fail() -> None:
        try:
            [][1]
        except IndexError as error:
            error.add_note("a note")
            raise ValueError("text\nof two lines") from error

    with pytest.raises(ValueError, match="two lines") as caught:
        fail()
    assert trace(caught.value) == "".join(traceback.format_exception(caught.value))
    assert loggable(caught.value) is caught.value


async def test_a_group_shows_what_is_in_it() -> None:
    async def fail(text: str) -> None:
        raise ValueError(text)

    async def fail_twice() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail("one"))
            group.create_task(fail("two"))

    with pytest.raises(ExceptionGroup) as caught:
        await fail_twice()
    text = trace(caught.value)
    assert "ValueError: one" in text
    assert "ValueError: two" in text
    assert "raise ValueError(text)" in text


async def test_a_retry_policy_knows_an_exception_by_its_class(async_app: PgQueue, look: Look) -> None:
    @async_app.task(retry=Retry(5, only=[Loud], backoff="fixed", delay=60))
    async def shout() -> None:
        raise Loud(MB)

    job = shout.enqueue()
    await burst(async_app)
    assert look.state(job.id) == "scheduled"
