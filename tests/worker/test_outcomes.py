"""What becomes of a job, from enqueue to its last row."""

import asyncio
import time
from typing import Any

import pytest

from pgqueue import Cancel, JobContext, PgQueue, Retry, RetryIn, Snooze
from pgqueue.errors import JobCancelled, JobFailed
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.conftest import burst, working

AT_ONCE = Retry(3, backoff="fixed", delay=0)


async def test_a_job_goes_in_runs_and_is_recorded(async_app: PgQueue, look: Look) -> None:
    @async_app.task
    async def add(a: int, b: int) -> int:
        return a + b

    job = add.enqueue(2, b=3)
    await burst(async_app)
    assert await job.aresult(timeout=0) == 5
    row = look.job(job.id)
    assert (row["state"], row["attempt"], row["errors"]) == ("succeeded", 1, None)
    assert row["elapsed"] is not None
    assert row["claimed_at"] <= row["finished_at"]
    assert look.live() == 0


async def test_a_snoozed_job_runs_again_and_its_attempt_does_not_count(async_app: PgQueue, look: Look) -> None:
    attempts: list[int] = []

    @async_app.task(retry=0)
    async def wait(ctx: JobContext) -> Any:
        attempts.append(ctx.attempt)
        return Snooze(0) if len(attempts) < 3 else "done"

    job = wait.enqueue()
    await burst(async_app)
    assert await job.aresult(timeout=0) == "done"
    assert attempts == [1, 1, 1]


async def test_a_snoozed_job_waits_as_long_as_it_asked(async_app: PgQueue, look: Look) -> None:
    @async_app.task
    async def wait() -> Snooze:
        return Snooze(3600)

    job = wait.enqueue()
    await burst(async_app)
    row = look.job(job.id)
    assert (row["state"], row["attempt"]) == ("scheduled", 0)
    assert 3500 < look.value("select extract(epoch from run_at - now()) from job") <= 3600


async def test_a_cancelled_job_ends_in_the_history_and_says_why(async_app: PgQueue, look: Look) -> None:
    @async_app.task
    def check() -> Cancel:
        return Cancel("no such user")

    job = check.enqueue()
    await burst(async_app)
    row = look.job(job.id)
    assert (row["state"], row["errors"][-1]["message"]) == ("cancelled", "no such user")
    with pytest.raises(JobCancelled):
        await job.aresult(timeout=0)


async def test_retry_in_counts_the_attempt_and_sets_the_time(async_app: PgQueue, look: Look) -> None:
    attempts: list[int] = []

    @async_app.task(retry=Retry(2, backoff="fixed", delay=300))
    async def limited(ctx: JobContext) -> RetryIn:
        attempts.append(ctx.attempt)
        return RetryIn(0, "try later")

    job = limited.enqueue()
    await burst(async_app)
    assert attempts == [1, 2, 3]
    row = look.job(job.id)
    assert (row["state"], row["reason"]) == ("failed", "error")
    assert [error["message"] for error in row["errors"]] == ["try later"] * 3


async def test_a_failing_job_is_retried_and_then_dead_with_every_error_kept(async_app: PgQueue, look: Look) -> None:
    @async_app.task(retry=AT_ONCE)
    async def fail(ctx: JobContext) -> None:
        raise ValueError(f"attempt {ctx.attempt}")

    job = fail.enqueue()
    await burst(async_app)
    row = look.job(job.id)
    assert (row["state"], row["reason"], row["attempt"]) == ("failed", "error", 4)
    assert [error["message"] for error in row["errors"]] == [f"attempt {n}" for n in (1, 2, 3, 4)]
    assert {error["type"] for error in row["errors"]} == {"ValueError"}
    with pytest.raises(JobFailed, match="attempt 4") as caught:
        await job.aresult(timeout=0)
    assert caught.value.traceback is not None
    assert 'raise ValueError(f"attempt {ctx.attempt}")' in caught.value.traceback


async def test_a_retried_job_can_still_succeed(async_app: PgQueue, look: Look) -> None:
    @async_app.task(retry=AT_ONCE)
    def flaky(ctx: JobContext) -> str:
        if ctx.attempt < 3:
            raise ConnectionError
        return "at last"

    job = flaky.enqueue()
    await burst(async_app)
    assert await job.aresult(timeout=0) == "at last"
    assert len(look.job(job.id)["errors"]) == 2


async def test_a_thousand_different_errors_are_each_stored_with_their_job(async_app: PgQueue, look: Look) -> None:
    """FAULTS 7."""

    @async_app.task(retry=0)
    async def fail(number: int) -> None:
        raise ValueError(f"error {number}")

    fail.enqueue_many([(n,) for n in range(1000)])
    await burst(async_app)
    each = "error_message = 'error ' || (args->>'number') and traceback like '%' || error_message || '%'"
    assert len(look.connection.execute(f"select from dead_letters where {each}".encode()).fetchall()) == 1000


@pytest.mark.parametrize(
    ("policy", "attempts"),
    [
        (Retry(3, backoff="fixed", delay=0, only=[OSError]), 4),
        (Retry(3, backoff="fixed", delay=0, only=["ConnectionError"]), 4),
        (Retry(3, backoff="fixed", delay=0, only=[ValueError]), 1),
        (Retry(3, backoff="fixed", delay=0, never=[OSError]), 1),
        (Retry(3, backoff="fixed", delay=0, never=[ValueError]), 4),
        (Retry(3, backoff="fixed", delay=0, only=[OSError], never=[ConnectionRefusedError]), 1),
    ],
)
async def test_only_and_never_hold_through_inheritance(async_app: PgQueue, look: Look, policy: Retry, attempts: int) -> None:
    @async_app.task(retry=policy)
    async def connect() -> None:
        raise ConnectionRefusedError("closed")

    job = connect.enqueue()
    await burst(async_app)
    assert look.job(job.id)["attempt"] == attempts


async def test_a_job_of_an_unknown_task_stays_ready_for_others(async_app: PgQueue, look: Look) -> None:
    other = PgQueue(async_app.url)
    job = other.task(name="elsewhere")(lambda: None).enqueue()
    other.close()
    await burst(async_app)
    row = look.job(job.id)
    assert (row["state"], row["attempt"], row["errors"]) == ("ready", 0, None)


async def test_a_job_for_later_starts_when_it_is_due(async_app: PgQueue, look: Look) -> None:
    started: list[float] = []

    @async_app.task
    async def later() -> None:
        started.append(time.time())

    async with working(async_app):
        await auntil(lambda: look.value("select count(*) from worker where wake_mode = 'notify'"), "a worker that listens")
        late = []
        for _ in range(3):
            job = await later.using(run_after=0.3).aenqueue()
            await auntil(lambda id=job.id: look.state(id) == "succeeded", "the job")  # type: ignore[misc]
            late.append(started[-1] - look.job(job.id)["run_at"].timestamp())
    assert min(late) >= 0
    assert min(late) < 0.1


async def test_concurrency_is_never_exceeded_and_used(async_app: PgQueue) -> None:
    running, most = 0, 0

    @async_app.task
    async def work() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1

    work.enqueue_many([()] * 500)
    await burst(async_app, concurrency=7)
    assert most == 7


async def test_sync_handlers_never_exceed_the_concurrency_either(async_app: PgQueue) -> None:
    running, most = [], []

    @async_app.task
    def work() -> None:
        running.append(1)
        most.append(len(running))
        time.sleep(0.005)
        running.pop()

    work.enqueue_many([()] * 100)
    await burst(async_app, concurrency=4)
    assert max(most) == 4


async def test_retry_in_runs_again_whatever_the_policy_retries(async_app: PgQueue) -> None:
    attempts: list[int] = []

    @async_app.task(retry=Retry(3, only=[OSError]))
    async def ask(ctx: JobContext) -> Any:
        attempts.append(ctx.attempt)
        return RetryIn(0) if ctx.attempt == 1 else "done"

    job = ask.enqueue()
    await burst(async_app)
    assert await job.aresult(timeout=0) == "done"
    assert attempts == [1, 2]
