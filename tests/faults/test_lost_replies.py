"""FAULTS 4 to 6: the database does not answer, answers nobody, or is held up by somebody else."""

import asyncio
import random
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pgqueue import PgQueue, Task
from pgqueue.worker import Worker
from tests.faults.proxy import Cut, Proxy
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.conftest import working

Runs = list[int]


@pytest.fixture
async def behind(proxy: Proxy, database_url: str) -> AsyncIterator[PgQueue]:
    """An app whose worker reaches the database through the proxy; heartbeats go directly."""
    app = PgQueue(proxy.url, lease=1, listen_url=database_url)
    yield app
    app.close()
    await app.aclose()


@pytest.fixture
def runs() -> Runs:
    """The numbers of the jobs that ran."""
    return []


@pytest.fixture
def note(behind: PgQueue, runs: Runs) -> Task[[int], None]:
    """A task that notes its number."""

    @behind.task(retry=0)
    async def note(n: int) -> None:
        runs.append(n)
        await asyncio.sleep(0.001)

    return note


def _lose(proxy: Proxy, dice: random.Random, function: bytes, most: int, ways: list[Cut]) -> None:
    """Lose the reply to every third call of a function, at most so many."""
    wanted = [most]

    def decide(request: bytes) -> Cut:
        if b'"pgqueue".%s(' % function not in request or not wanted[0] or dice.random() > 0.4:
            return "pass"
        wanted[0] -= 1
        return dice.choice(ways)

    proxy.decide = decide


async def _lose_replies_to_finish(
    proxy: Proxy, dice: random.Random, look: Look, runs: Runs, note: Any, jobs: int, most: int
) -> Worker:
    ids = [job.id for job in note.enqueue_many([(n,) for n in range(jobs)])]
    _lose(proxy, dice, b"finish", most, ["after commit", "before reply"])
    async with working(note._app, concurrency=10) as worker:
        await auntil(lambda: look.live() == 0, "the end of all jobs", within=120)
    assert sorted(runs) == list(range(jobs)), "a job whose finish was answered to nobody ran again, or none at all"
    assert look.count("succeeded") == len(ids)
    assert look.count("failed") == 0
    assert proxy.cuts > 0
    return worker


async def test_after_lost_replies_to_finish_no_job_runs_again_and_none_failed(
    behind: PgQueue, proxy: Proxy, dice: random.Random, look: Look, runs: Runs, note: Task[[int], None]
) -> None:
    worker = await _lose_replies_to_finish(proxy, dice, look, runs, note, jobs=300, most=8)
    assert worker._parts.finisher.counts["stale"] == 0


@pytest.mark.slow
async def test_after_100_lost_replies_to_finish_no_job_runs_again_and_none_failed(
    behind: PgQueue, proxy: Proxy, dice: random.Random, look: Look, runs: Runs, note: Task[[int], None]
) -> None:
    await _lose_replies_to_finish(proxy, dice, look, runs, note, jobs=40_000, most=100)
    assert proxy.cuts > 50


async def _lose_replies_to_claim(
    proxy: Proxy, dice: random.Random, look: Look, runs: Runs, note: Any, jobs: int, most: int
) -> None:
    note.enqueue_many([(n,) for n in range(jobs)])
    _lose(proxy, dice, b"claim", most, ["after commit", "before reply"])
    async with working(note._app, concurrency=10):
        await auntil(lambda: look.live() == 0, "the end of all jobs", within=120)
    assert sorted(runs) == list(range(jobs)), "a job was lost with the reply to its claim, or ran twice"
    assert look.value("select max(attempt) from jobs") == 1, "a job that nobody knew of lost its attempt"
    assert proxy.cuts > 0


async def test_after_lost_replies_to_claim_every_job_runs_once(
    behind: PgQueue, proxy: Proxy, dice: random.Random, look: Look, runs: Runs, note: Task[[int], None]
) -> None:
    await _lose_replies_to_claim(proxy, dice, look, runs, note, jobs=200, most=4)


@pytest.mark.slow
async def test_after_100_lost_replies_to_claim_every_job_runs_once(
    behind: PgQueue, proxy: Proxy, dice: random.Random, look: Look, runs: Runs, note: Task[[int], None]
) -> None:
    await _lose_replies_to_claim(proxy, dice, look, runs, note, jobs=5000, most=100)


async def _kill_finishing_connections(app: PgQueue, look: Look, jobs: int, every: float) -> int:
    """Kill the connection that finishes, again and again, while jobs run; how often it was there to be killed."""
    ran: Runs = []

    @app.task(retry=0)
    async def work(n: int) -> None:
        ran.append(n)
        await asyncio.sleep(0.01)

    work.enqueue_many([(n,) for n in range(jobs)])
    ours = "application_name = 'pgqueue worker' and query like '%finish%'"
    kill = f"select count(pg_terminate_backend(pid)) from pg_stat_activity where {ours}"
    kills = 0
    async with working(app, concurrency=5):
        while look.live():
            kills += look.connection.execute(kill.encode()).fetchone()[0]  # type: ignore[index]
            await asyncio.sleep(every)
    assert sorted(ran) == list(range(jobs))
    assert look.count("succeeded") == jobs
    return kills


async def test_all_jobs_finish_although_the_finishing_connection_is_killed_again_and_again(app: PgQueue, look: Look) -> None:
    assert await _kill_finishing_connections(app, look, jobs=400, every=0.1) >= 3
    await app.aclose()


@pytest.mark.slow
async def test_all_jobs_finish_although_the_finishing_connection_is_killed_for_30_s(app: PgQueue, look: Look) -> None:
    assert await _kill_finishing_connections(app, look, jobs=12_000, every=0.2) >= 30
    await app.aclose()


async def _lock_the_table(app: PgQueue, look: Look, connect: Any, jobs: int, seconds: float) -> None:
    ran: Runs = []

    @app.task
    async def work(n: int) -> None:
        ran.append(n)

    work.enqueue_many([(n,) for n in range(jobs)])
    locker = connect(autocommit=False)
    most = 0
    async with working(app, concurrency=50) as worker:
        await auntil(lambda: len(ran) > 200, "the first jobs")
        locker.execute("lock table job in exclusive mode")
        release = threading.Timer(seconds, locker.commit)
        release.start()
        while release.is_alive():
            most = max(most, len(worker._parts.finisher.unflushed()))
            await asyncio.sleep(0.01)
        await auntil(lambda: look.live() == 0, "the rest", within=60)
    assert most <= 1000 + 1000 + 50, "unflushed outcomes were not bounded"
    assert sorted(ran) == list(range(jobs))
    assert look.count("succeeded") == jobs


async def test_a_locked_table_bounds_what_is_unflushed_and_then_everything_drains(app: PgQueue, look: Look, connect: Any) -> None:
    await _lock_the_table(app, look, connect, jobs=8_000, seconds=1.0)
    await app.aclose()


@pytest.mark.slow
async def test_a_table_locked_for_10_s_bounds_what_is_unflushed_and_then_everything_drains(
    app: PgQueue, look: Look, connect: Any
) -> None:
    await _lock_the_table(app, look, connect, jobs=60_000, seconds=10.0)
    await app.aclose()


async def test_a_transaction_that_holds_one_job_s_row_stalls_only_that_one(app: PgQueue, look: Look, connect: Any) -> None:
    gate = asyncio.Event()

    @app.task
    async def work() -> None:
        await gate.wait()

    jobs = work.enqueue_many([()] * 300)
    held = jobs[150].id
    holder = connect(autocommit=False)
    async with working(app, concurrency=300) as worker:
        await auntil(lambda: look.count("running") == 300, "the jobs")
        holder.execute("select from job where id = %s for update", [held])
        gate.set()
        await auntil(lambda: look.count("succeeded") == 299, "the other jobs, while the one row is held")
        assert look.state(held) == "running"
        await auntil(lambda: worker._parts.finisher.unflushed() == [held], "what was answered is let go of")
        holder.commit()
        await auntil(lambda: look.state(held) == "succeeded", "the held one")
    await app.aclose()
