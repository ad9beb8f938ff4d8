"""What is timed of the dashboard: every page, as the server answers it."""

from __future__ import annotations

import asyncio
import time
from statistics import median
from urllib.parse import quote

import psycopg

from benchmarks.api.client import Connection, get
from benchmarks.api.server import served
from benchmarks.errors import BenchmarkError

TIMES = 3
APART = 1.1  # seconds: answers are shared for one
OPTIONS = "-c search_path=pgqueue"
PAGES = (
    "/", "/?range=30d", "/jobs", "/jobs?q=state:ready", "/jobs?q=state:failed", "/jobs?q=task:app.task_7", "/jobs?q=args.n:7",
    "/dead-letters", "/workflows", "/schedules", "/limits", "/queues", "/workers", "/operations", "/doctor", "/audit",
    "/settings", "/enqueue",
)  # fmt: skip
# A page by what it is about.
ABOUT = {
    "/jobs/{}": "SELECT id::text FROM job_history ORDER BY finished_at DESC LIMIT 1",
    "/jobs/{} (failed)": "SELECT id::text FROM dead_letter LIMIT 1",
    "/dead-letters/{}": "SELECT fingerprint FROM dead_groups() LIMIT 1",
    "/workflows/{}": "SELECT id::text FROM workflow ORDER BY nodes DESC LIMIT 1",
    "/limits/{}": "SELECT key FROM limit_status WHERE waiting > 0 LIMIT 1",
    "/queues/{}": "SELECT name FROM queues ORDER BY ready DESC LIMIT 1",
    "/workers/{}": "SELECT id::text FROM worker LIMIT 1",
}


def pages(url: str, times: int = TIMES) -> dict[str, float]:
    """Milliseconds of each page, the median of so many answers, none of which was shared."""
    found = {f"page {path}": path for path in PAGES}
    with psycopg.connect(url, autocommit=True, options=OPTIONS) as connection:
        for path, statement in ABOUT.items():
            row = connection.execute(statement.encode()).fetchone()
            if row is not None:
                found[f"page {path}"] = path.partition(" ")[0].format(quote(str(row[0]), safe=""))
    with served(url) as port:
        return asyncio.run(_timed(port, found, times))


async def _timed(port: int, found: dict[str, str], times: int) -> dict[str, float]:
    connection = await Connection.open(port)
    try:
        return {name: await _page(connection, path, times) for name, path in found.items()}
    finally:
        connection.close()


async def _page(connection: Connection, path: str, times: int) -> float:
    took = list[float]()
    for _ in range(times):
        began = time.perf_counter()
        try:
            await connection.send(get(path, None))
        except BenchmarkError as error:
            raise BenchmarkError(f"{path}: {error}") from None
        took.append((time.perf_counter() - began) * 1000)
        if times > 1:
            await asyncio.sleep(APART)
    return median(took)
