"""Jobs that end in `ctx.transaction()` have their effects exactly once, whatever becomes of the connections they end on."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from pgqueue import JobContext, PgQueue, Retry
from tests.faults.proxy import Cut, Proxy
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.conftest import working

AT_ONCE = Retry(1000, backoff="fixed", delay=0, jitter=False)
KILL = (
    "select count(pg_terminate_backend(pid)) from pg_stat_activity "
    "where application_name = 'pgqueue transaction' and random() < 0.5"
)
JOBS = 200


@asynccontextmanager
async def killing(look: Look, most: int) -> AsyncIterator[Counter[str]]:
    """Kills half of the blocks' connections again and again, until so many are killed; how many were."""
    kills: Counter[str] = Counter()

    async def kill() -> None:
        while kills["killed"] < most:
            kills["killed"] += look.value(KILL)
            await asyncio.sleep(0.03)

    killer = asyncio.create_task(kill())
    yield kills
    killer.cancel()


def losing_commits(dice: random.Random, most: int) -> Callable[[bytes], Cut]:
    """Loses the answer to every fifth COMMIT, at most so many: some have been carried out by then, others go on unwatched."""
    left = [most]

    def decide(request: bytes) -> Cut:
        if b"COMMIT" not in request or not left[0] or dice.random() > 0.2:
            return "pass"
        left[0] -= 1
        return dice.choice(["after commit", "before reply"])

    return decide


async def test_every_effect_is_there_once_although_connections_are_killed_and_commits_not_answered(
    proxy: Proxy, database_url: str, dice: random.Random, look: Look
) -> None:
    app = PgQueue(proxy.url, listen_url=database_url)
    look.rows("create table public.effect (job_id bigint, attempt int)")
    runs: Counter[int] = Counter()

    @app.task(retry=AT_ONCE)
    async def effect(ctx: JobContext) -> None:
        runs[ctx.id] += 1
        async with ctx.transaction() as tx:
            await tx.connection.execute("insert into public.effect values (%s, %s)", (ctx.id, ctx.attempt))
            await asyncio.sleep(0.01)
            tx.result = ctx.attempt

    @app.task(retry=AT_ONCE)
    def effect_in_thread(ctx: JobContext) -> None:
        runs[ctx.id] += 1
        with ctx.transaction() as tx:
            tx.connection.execute("insert into public.effect values (%s, %s)", (ctx.id, ctx.attempt))
            tx.connection.execute("select pg_sleep(0.01)")
            tx.result = ctx.attempt

    jobs = [*effect.enqueue_many([()] * (JOBS // 2)), *effect_in_thread.enqueue_many([()] * (JOBS // 2))]
    proxy.decide = losing_commits(dice, most=30)
    async with killing(look, most=60) as kills, working(app, concurrency=40) as worker:
        await auntil(lambda: look.live() == 0, "the end of all jobs", within=60)
        counts = worker._parts.finisher.counts
    ended = {row["id"]: row["attempt"] for row in look.rows("select id, attempt from jobs where state = 'succeeded'")}
    effects = [(row["job_id"], row["attempt"]) for row in look.rows("select * from public.effect")]
    assert sorted(ended) == sorted(job.id for job in jobs)
    assert sorted(effects) == sorted(ended.items()), (
        "an effect is missing, or there twice, or of another run than the one that counted"
    )
    assert counts["succeeded"] == JOBS
    assert kills["killed"] > 20
    assert proxy.cuts > 5
    assert sum(runs.values()) > JOBS
    app.close()
    await app.aclose()
