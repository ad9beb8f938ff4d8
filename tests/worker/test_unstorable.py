"""What PostgreSQL or JSON cannot hold fails its own job, and not its batch."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from pgqueue import JobContext, PgQueue, RateLimited, Retry, RetryIn, Snooze
from tests.looking import Look
from tests.worker.conftest import burst

BAD: dict[str, Any] = {
    "nul": "nul \x00",
    "deep nul": {"a": [{"b": "\x00"}]},
    "nul in a key": {"\x00": 1},
    "half a surrogate": "\ud800",
    "not json": object(),
    "nan": float("nan"),
    "infinity": [float("-inf")],
}
REFUSED: dict[str, Callable[[], Any]] = {
    "snooze for ever": lambda: Snooze(1e300),
    "snooze beyond the calendar": lambda: Snooze(2**40),
    "snooze no number": lambda: Snooze("soon"),  # type: ignore[arg-type]
    "retry no number": lambda: RetryIn(float("nan")),
    "retry for ever": lambda: RetryIn(timedelta.max),
    "limited for ever": lambda: RateLimited(-(2**40)),
}


async def test_a_bad_result_fails_its_own_job_and_not_its_batch(async_app: PgQueue, look: Look) -> None:
    gate = asyncio.Event()

    @async_app.task(retry=0)
    async def give(name: str) -> Any:
        await gate.wait()  # all outcomes come at once: one batch
        return REFUSED[name]() if name in REFUSED else BAD.get(name, name)

    fine = give.enqueue_many([(f"fine {n}",) for n in range(50)])
    bad = give.enqueue_many([(name,) for name in (*BAD, *REFUSED)])
    asyncio.get_running_loop().call_later(0.3, gate.set)
    await burst(async_app)
    assert [look.state(job.id) for job in fine] == ["succeeded"] * 50
    ended = {name: look.job(job.id) for name, job in zip((*BAD, *REFUSED), bad, strict=True)}
    assert {name: row["state"] for name, row in ended.items()} == dict.fromkeys((*BAD, *REFUSED), "failed")
    assert {ended[name]["errors"][-1]["type"] for name in REFUSED} == {"pgqueue.errors.InvalidArgument"}
    assert {ended[name]["reason"] for name in REFUSED} == {"error"}
    assert ended["nul"]["reason"] == "system_error"
    assert "0000" in str(ended["nul"]["errors"][-1])
    assert look.live() == 0


async def test_a_result_that_cannot_be_stored_is_not_tried_again(async_app: PgQueue, look: Look) -> None:
    runs: list[int] = []

    @async_app.task(retry=Retry(5, backoff="fixed", delay=0))
    async def give() -> str:
        runs.append(1)
        return "\x00"

    job = give.enqueue()
    await burst(async_app)
    assert look.job(job.id)["reason"] == "system_error"
    assert len(runs) == 1


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_handler_that_raises_what_is_no_exception_fails_and_the_worker_goes_on(
    async_app: PgQueue, look: Look, is_async: bool
) -> None:
    class Unusual(BaseException):
        def __str__(self) -> str:
            raise RuntimeError

    odd: list[BaseException] = [SystemExit(1), asyncio.CancelledError(), StopIteration(), Unusual(), ValueError("\x00\ud800")]

    def raise_it(which: int) -> None:
        if which < len(odd):
            raise odd[which]

    async def raise_it_async(which: int) -> None:
        await asyncio.sleep(0)
        raise_it(which)

    task = async_app.task(name="raise_it", retry=0)(raise_it_async if is_async else raise_it)
    jobs = task.enqueue_many([(n,) for n in range(len(odd) + 20)])
    await burst(async_app, concurrency=3)
    assert [look.state(job.id) for job in jobs] == ["failed"] * len(odd) + ["succeeded"] * 20


async def test_arguments_from_elsewhere_that_do_not_fit_fail_their_job_only(async_app: PgQueue, look: Look) -> None:
    @async_app.task(retry=0)
    async def add(a: int, b: int = 0) -> int:
        return a + b

    bad = [look.value("select enqueue('add', %s, retries => 0)", args) for args in ("{}", '{"a": 1, "c": 2}', '{"self": 1}')]
    fine = look.value("""select enqueue('add', '{"a": 1}')""")
    await burst(async_app)
    assert [look.state(id) for id in (*bad, fine)] == ["failed"] * 3 + ["succeeded"]
    assert look.job(bad[0])["errors"][-1]["type"] == "pgqueue.errors.InvalidArgument"


async def test_an_argument_named_like_the_context_cannot_replace_it(async_app: PgQueue, look: Look) -> None:
    @async_app.task
    async def who(ctx: JobContext) -> int:
        return ctx.id

    forged = look.value("""select enqueue('who', '{"ctx": "forged"}', retries => 0)""")
    genuine = await who.aenqueue()
    await burst(async_app)
    assert look.job(forged)["errors"][-1]["message"] == "args: task 'who' has no argument 'ctx'; it takes none"
    assert await genuine.aresult(timeout=0) == genuine.id


async def test_a_very_long_error_is_cut_and_stored(async_app: PgQueue, look: Look) -> None:
    @async_app.task(retry=0)
    async def fail() -> None:
        raise ValueError("x" * 10_000_000)

    job = fail.enqueue()
    await burst(async_app)
    error = look.job(job.id)["errors"][-1]
    assert len(error["message"]) == 4096
    assert "raise ValueError" in error["traceback"]


async def test_arguments_that_cannot_be_decoded_fail_their_own_job_and_not_the_worker(async_app: PgQueue, look: Look) -> None:
    @async_app.task(retry=0)
    async def take(n: Any) -> None:
        pass

    fine = take.enqueue(1)
    with psycopg.connect(async_app.url, autocommit=True) as connection:
        deep = "[" * 2000 + "]" * 2000
        row = connection.execute("select pgqueue.enqueue('take', %s, retries => 0)", (f'{{"n": {deep}}}',)).fetchone()
    assert row is not None
    await burst(async_app)
    assert look.job(fine.id)["state"] == "succeeded"
    with psycopg.connect(async_app.url) as connection:
        states = connection.execute("select state from pgqueue.jobs where id = %s", row).fetchall()
    assert states == [("failed",)]
