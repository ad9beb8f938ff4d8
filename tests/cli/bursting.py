"""The app of bursts: `tests.cli.bursting:app`."""

import asyncio

from pgqueue import JobContext, PgQueue, Retry, chain

app = PgQueue()


@app.task(retry=Retry(2, backoff="fixed", delay=0))
async def fail_once(ctx: JobContext) -> None:
    if ctx.attempt == 1:
        raise ValueError("the first time")


@app.task(max_running=1)
async def one_at_a_time() -> None:
    await asyncio.sleep(0.05)


@app.task
async def quick() -> None:
    await asyncio.sleep(0.05)


@app.task
async def begin() -> None:
    for _ in range(6):
        await one_at_a_time.aenqueue()
        await fail_once.aenqueue()
    await chain(quick.si(), quick.si(), quick.si()).aenqueue()
