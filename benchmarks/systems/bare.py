"""The bare limit: one asyncio loop over pgqueue's own SQL functions, with nothing around it.

It claims batches of 500 on one connection while it finishes the last one on another, and runs the no-op
function in between: no tasks, no timeouts, no retries, no heartbeat. The distance to it is what pgqueue's
own worker costs.
The worker process is this module: `python -m benchmarks.systems.bare`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

import uvloop

from benchmarks.options import Handler
from benchmarks.recorder import Recorder
from benchmarks.systems.pgqueue import PgQueueSystem
from benchmarks.systems.sql_worker import sql_worker
from benchmarks.worker import Command

BATCH = 500
IDLE_SECONDS = 0.005
URL_VARIABLE = "BENCHMARK_BARE_URL"


class _Bare(PgQueueSystem):
    name = "bare"
    concurrency = None
    benchmarks = frozenset({"throughput", "together"})

    def commands(self, url: str, processes: int, handler: Handler) -> Sequence[Command]:
        return [Command([sys.executable, "-m", __name__], {URL_VARIABLE: url})] * processes


async def _work(url: str) -> None:
    """Claim, run and finish until SIGTERM; claiming, running and finishing overlap."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    recorder = Recorder()

    async def noop(sent_at: float) -> None:
        recorder.note(sent_at)

    async with sql_worker(url) as claimer, sql_worker(url) as finisher:
        claiming = asyncio.create_task(claimer.fetch(BATCH))
        finishing = asyncio.create_task(asyncio.sleep(0))
        while not stop.is_set():
            token, rows = await claiming
            if not rows:
                await asyncio.sleep(IDLE_SECONDS)
            claiming = asyncio.create_task(claimer.fetch(BATCH))
            done = await _run(noop, rows)
            await finishing
            finishing = asyncio.create_task(finisher.succeed(token, done))
        await finishing
        await claiming


async def _run(noop: Any, rows: list[tuple[Any, ...]]) -> list[int]:
    """Run the jobs one after the other; their ids."""
    done = []
    for row in rows:
        await noop(**row[3])
        done.append(row[0])
    return done


SYSTEM = _Bare()

if __name__ == "__main__":
    uvloop.run(_work(os.environ[URL_VARIABLE]))
