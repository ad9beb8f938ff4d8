"""The bare limit: one asyncio loop over pgqueue's own SQL functions, with nothing around it.

It claims batches of 500 on one connection while it finishes the last one on another, and runs the no-op
function in between: no tasks, no timeouts, no retries, no heartbeat. The distance to it is what pgqueue's
own worker costs. Like that worker it goes on from the last claim's run_at, with a full claim every second:
the index entries of finished jobs would otherwise halve its pace within ten seconds.
The worker process is this module: `python -m benchmarks.systems.bare`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
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
FULL_CLAIM_SECONDS = 1.0
ARGS, RUN_AT = 3, 7  # columns of a claimed row
URL_VARIABLE = "BENCHMARK_BARE_URL"


class _Bare(PgQueueSystem):
    name = "bare"
    concurrency = None
    enqueue_batch: int | None = None
    most_jobs: int | None = None
    benchmarks = frozenset({"throughput", "together"})

    def commands(self, url: str, processes: int, handler: Handler) -> Sequence[Command]:
        return [Command([sys.executable, "-m", __name__], {URL_VARIABLE: url})] * processes


class _Cursor:
    """Where the next claim starts: at the earliest job of the last one, or once a second at the very first."""

    def __init__(self) -> None:
        self._full_at = 0.0

    def after(self, rows: list[tuple[Any, ...]]) -> str | None:
        """The claim's `resume_at`; None, a full claim, when it is time or the last one came back short."""
        now = time.monotonic()
        if len(rows) < BATCH or now >= self._full_at:
            self._full_at = now + FULL_CLAIM_SECONDS
            return None
        run_at = min(row[RUN_AT] for row in rows).isoformat()
        return json.dumps([{"queue": "default", "priority": 0, "run_at": run_at}])


async def _work(url: str) -> None:
    """Claim, run and finish until SIGTERM; claiming, running and finishing overlap."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    recorder = Recorder()

    async def noop(sent_at: float) -> None:
        recorder.note(sent_at)

    async with sql_worker(url) as claimer, sql_worker(url) as finisher:
        cursor = _Cursor()
        claiming = asyncio.create_task(claimer.fetch(BATCH))
        finishing = asyncio.create_task(asyncio.sleep(0))
        while not stop.is_set():
            token, rows = await claiming
            if not rows:
                await asyncio.sleep(IDLE_SECONDS)
            claiming = asyncio.create_task(claimer.fetch(BATCH, cursor.after(rows)))
            done = await _run(noop, rows)
            await finishing
            finishing = asyncio.create_task(finisher.succeed(token, done))
        await finishing
        await claiming


async def _run(noop: Any, rows: list[tuple[Any, ...]]) -> list[int]:
    """Run the jobs one after the other; their ids."""
    done = []
    for row in rows:
        await noop(**row[ARGS])
        done.append(row[0])
    return done


SYSTEM = _Bare()

if __name__ == "__main__":
    uvloop.run(_work(os.environ[URL_VARIABLE]))
