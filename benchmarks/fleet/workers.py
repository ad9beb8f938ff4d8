"""Several idle workers in one process; to the server they are as so many: `python -m benchmarks.fleet.workers URL COUNT`."""

from __future__ import annotations

import asyncio
import logging
import sys

from pgqueue import PgQueue
from pgqueue.worker import Worker, WorkerOptions


async def run(url: str, count: int) -> None:
    """Run them until the process is ended."""
    logging.getLogger("pgqueue").setLevel(logging.ERROR)
    app = PgQueue(url)

    @app.task(name="noop")
    async def noop() -> None: ...

    options = WorkerOptions(concurrency=10, handle_signals=False)
    await asyncio.gather(*(Worker(app, options).run() for _ in range(count)))


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2])))
