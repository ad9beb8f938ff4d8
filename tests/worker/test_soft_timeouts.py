"""Soft timeouts: a warning, a note with the job, and SoftTimeout in handlers that ask for it."""

import asyncio
import json
import logging
from typing import Any

import pytest

from pgqueue import JobContext, PgQueue, SoftTimeout
from pgqueue.errors import ConfigurationError
from pgqueue.worker import surround
from pgqueue.worker.soft_timeouts import SoftTimeouts
from tests.looking import Look
from tests.waiting import auntil
from tests.worker import process_jobs
from tests.worker.conftest import burst, working
from tests.worker.jobs import TOKEN, timed_job
from tests.worker.timed import Stubborn, Timed, timed


async def _started(slots: Timed, *jobs: JobContext) -> None:
    slots.start(*jobs)
    await auntil(lambda: all(job.id in slots.slots.running for job in jobs), "the handlers")
    await asyncio.sleep(0)


async def test_one_warning_names_job_task_elapsed_and_limit(caplog: pytest.LogCaptureFixture) -> None:
    handler = Stubborn(None)
    async with timed(handler) as slots:
        await _started(slots, timed_job(7, timeout=60), timed_job(8, soft_timeout=0, timeout=60))
        slots.pass_by(47)
        assert slots.soft == []
        slots.pass_by(2)
        slots.pass_by(2)
        assert slots.soft == [7]
        (record,) = [record for record in caplog.records if "soft timeout" in record.getMessage()]
        assert record.levelno == logging.WARNING
        assert record.getMessage().startswith("job 7 (handler) has run for 49")
        assert record.getMessage().endswith("; its soft timeout is 48 s")
        assert (record.__dict__["job_id"], record.__dict__["task"], record.__dict__["soft_timeout"]) == (7, "handler", 48)
        assert record.__dict__["elapsed"] >= 49
        handler.may_end.set()
        await auntil(lambda: len(slots.outcomes) == 2, "both")
        assert [outcome.state for outcome in slots.outcomes] == ["succeeded"] * 2
        await slots.free()


async def test_a_soft_timeout_needs_no_timeout_and_one_behind_the_timeout_never_comes() -> None:
    handler = Stubborn(0)
    async with timed(handler) as slots:
        await _started(slots, timed_job(1, soft_timeout=10), timed_job(2, soft_timeout=90, timeout=60))
        slots.pass_by(11)
        assert slots.soft == [1]
        slots.pass_by(3600)
        await auntil(lambda: slots.outcomes, "the timeout")
        assert slots.soft == [1]
        assert [outcome.job.id for outcome in slots.outcomes] == [2]


async def test_it_is_raised_where_the_handler_waits_and_may_be_caught() -> None:
    left: list[float | None] = []
    cancelling: list[int] = []

    async def handler(ctx: JobContext) -> str:
        try:
            await asyncio.sleep(3600)
        except SoftTimeout as error:
            left.append(ctx.time_left())
            task = asyncio.current_task()
            assert task is not None
            cancelling.append(task.cancelling())
            await asyncio.sleep(0)
            return str(error)
        return "not reached"

    async with timed(handler, raise_soft_timeout=True) as slots:
        await _started(slots, timed_job(7, timeout=60))
        slots.pass_by(49)
        outcome = await slots.outcome()
        await slots.free()
    assert outcome["state"] == "succeeded"
    assert outcome["result"].startswith("job 7 (handler) has run for 49")
    assert cancelling == [0]
    assert left[0] is not None
    assert left[0] > 0


@pytest.mark.parametrize("grouped", [False, True])
async def test_one_that_is_not_caught_is_a_failure_with_reason_timeout(grouped: bool) -> None:
    async def handler() -> None:
        if grouped:
            async with asyncio.TaskGroup():
                await asyncio.sleep(3600)
        await asyncio.sleep(3600)

    async with timed(handler, raise_soft_timeout=True) as slots:
        await _started(slots, timed_job(soft_timeout=10))
        slots.pass_by(11)
        outcome = await slots.outcome()
        await slots.free()
    assert (outcome["state"], outcome["reason"]) == ("failed", "timeout")
    if not grouped:
        assert outcome["error"]["type"] == "pgqueue.errors.SoftTimeout"
        assert "pgqueue.errors.PgQueueError" in outcome["error"]["types"]
        assert "asyncio.sleep(3600)" in outcome["error"]["traceback"]


@pytest.mark.parametrize("through", ["wait_for", "task", "gather", "group", "timeout"])
async def test_what_the_handler_waits_for_is_ended(through: str) -> None:
    """As SoftTimeout is a CancelledError: a plain exception would leave it running."""
    ended: list[str] = []

    async def inner() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            ended.append("ended")
            raise

    async def wait() -> None:
        match through:
            case "wait_for":
                await asyncio.wait_for(inner(), 3000)
            case "task":
                await asyncio.create_task(inner())
            case "gather":
                await asyncio.gather(inner(), asyncio.sleep(3600))
            case "group":
                async with asyncio.TaskGroup() as group:
                    group.create_task(inner())
            case "timeout":
                async with asyncio.timeout(3000):
                    await inner()

    async def handler() -> list[str]:
        try:
            await wait()
        except SoftTimeout:
            return list(ended)
        return ["no SoftTimeout"]

    async with timed(handler, raise_soft_timeout=True) as slots:
        await _started(slots, timed_job(soft_timeout=10))
        await asyncio.sleep(0.01)
        slots.pass_by(11)
        assert (await slots.outcome())["result"] == ["ended"]
        await slots.free()


async def test_it_is_raised_through_middleware_too(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    app = PgQueue("postgresql://nobody@localhost:1/nothing")

    async def around(job: JobContext) -> Any:
        try:
            yield
        except SoftTimeout:
            seen.append("middleware")
            raise

    app.around_execution(around)

    async def handler() -> None:
        await asyncio.sleep(3600)

    async with timed(handler, raise_soft_timeout=True) as slots:
        slots.slots._surrounded = surround.Surroundings(app.execution_middleware, {}, None)  # type: ignore[arg-type]
        await _started(slots, timed_job(soft_timeout=10))
        await asyncio.sleep(0.01)
        slots.pass_by(11)
        assert (await slots.outcome())["error"]["type"] == "pgqueue.errors.SoftTimeout"
    assert seen == ["middleware"]


@pytest.mark.parametrize("what", ["timeout", "cancel", "drop"])
async def test_a_cancellation_that_means_more_is_none(what: str) -> None:
    """A soft timeout that the handler has swallowed does not turn the next cancellation into another one."""
    raised: list[str] = []
    shield = asyncio.Event()

    async def deaf() -> None:
        while not shield.is_set():
            try:
                await shield.wait()
            except asyncio.CancelledError:
                continue

    async def handler() -> None:
        await asyncio.create_task(deaf())
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError as error:
            raised.append(type(error).__name__)
            raise

    async with timed(handler, raise_soft_timeout=True) as slots:
        await _started(slots, timed_job(timeout=60, soft_timeout=10))
        await asyncio.sleep(0.01)
        slots.pass_by(11)
        await asyncio.sleep(0.01)
        shield.set()
        await asyncio.sleep(0.01)
        if what == "timeout":
            slots.pass_by(50)
        elif what == "cancel":
            slots.slots.cancel([1])
        else:
            slots.slots._drop_running()
        await auntil(lambda: raised, "the cancellation")
        await auntil(lambda: not slots.slots.running, "the end")
    assert raised == ["CancelledError"]


async def test_without_the_option_nothing_is_raised() -> None:
    gate = asyncio.Event()

    async def handler() -> str:
        await gate.wait()
        return "done"

    async with timed(handler) as slots:
        await _started(slots, timed_job(soft_timeout=10))
        slots.pass_by(11)
        gate.set()
        assert (await slots.outcome())["result"] == "done"
        await slots.free()


@pytest.mark.parametrize("executor", [None, "process"])
def test_only_async_handlers_may_ask_for_it(executor: Any) -> None:
    app = PgQueue("postgresql://nobody@localhost:1/nothing")
    with pytest.raises(ConfigurationError, match="raise_soft_timeout: the handler of task 'where' is not async"):
        app.task(executor=executor, raise_soft_timeout=True)(process_jobs.where.function)


async def test_it_is_noted_with_the_job_for_good(async_app: PgQueue, look: Look) -> None:
    gate = asyncio.Event()

    @async_app.task
    async def work() -> None:
        await gate.wait()

    job = work.enqueue()
    look.rows("""update job set terms = '{"soft_timeout": 0.1}'""")
    async with working(async_app):
        await auntil(lambda: look.value("select terms ? 'soft_timed_out' from jobs"), "the note")
        gate.set()
        await auntil(lambda: look.state(job.id) == "succeeded", "the end")
    (note,) = (row["terms"]["soft_timed_out"] for row in look.rows("select terms from jobs"))
    assert note["attempt"] == 1
    assert note["elapsed"] >= 0.1
    assert note["at"].endswith("+00:00")


async def test_a_note_waits_for_a_job_that_somebody_holds(async_app: PgQueue, look: Look) -> None:
    notes: list[list[int]] = []

    answers = [[1, 3], [3], list[int]()]

    class Link:
        async def run(self, call: Any) -> list[int]:
            notes.append([note["id"] for note in json.loads(call.params[0])])
            return answers.pop(0)

    soft = SoftTimeouts(Link())  # type: ignore[arg-type]
    running = asyncio.create_task(soft.run())
    for id in (1, 2, 3):
        soft.add(timed_job(id), 10.0)
    await auntil(lambda: len(notes) == 3, "the notes")
    assert notes == [[1, 2, 3], [1, 3], [3]]
    assert timed_job().token == TOKEN
    running.cancel()


async def test_a_job_goes_on_without_a_note_that_the_database_refuses(
    async_app: PgQueue, look: Look, caplog: pytest.LogCaptureFixture
) -> None:
    @async_app.task
    async def work(n: int) -> None:
        await asyncio.sleep(0.3)

    work.enqueue_many([(n,) for n in range(8)])
    look.rows("""update job set terms = '{"soft_timeout": 0.1}'""")
    look.connection.execute("drop function note_soft_timeouts")
    await burst(async_app, concurrency=1)
    assert look.count("succeeded") == 8
    assert "soft timeouts are not noted" in caplog.text
