"""What is timed of the dashboard: every page, as the server answers it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
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
    "/", "/?span=15m", "/?span=30d", "/jobs", "/jobs?q=state:ready", "/jobs?q=state:scheduled", "/jobs?q=state:running",
    "/jobs?q=state:blocked", "/jobs?q=state:succeeded", "/jobs?q=state:cancelled", "/jobs?q=state:failed",
    "/jobs?q=queue:unheard", "/jobs?q=task:app.rare", "/jobs?q=task:app.rare+state:succeeded",
    "/jobs?q=args.user_id:7+since:7d", "/jobs?q=args.user_id:7+state:succeeded+since:7d", "/jobs?q=error:KeyError",
    "/jobs?q=meta.x:1+since:7d", "/jobs?q=reason:timeout",
    "/dead-letters", "/dead-letters?series=30d&sort=last_at", "/dead-letters?error=KeyError", "/dead-letters?since=-1h",
    "/workflows", "/workflows?status=running", "/workflows?status=failed", "/workflows?name=unheard",
    "/schedules", "/limits", "/limits?prefix=tenant:t1", "/limits?prefix=unheard", "/queues", "/workers", "/workers/rescues",
    "/operations", "/operations/new?do=cancel&all=1", "/operations/new?do=cancel&all=1&q=state:ready",
    "/operations/new?do=retry&all=1&q=state:failed", "/operations/new?do=cancel&all=1&q=args.user_id:7+since:7d",
    "/doctor", "/audit", "/audit?verb=discard", "/audit?by=unheard", "/audit?kind=job&since=-24h", "/settings", "/enqueue",
    "/suggestions?q=", "/suggestions?q=app", "/suggestions?q=error:", "/suggestions?q=limit:t", "/suggestions?q=queue:q",
)  # fmt: skip
RUNNING = "SELECT id::text FROM job WHERE state = 'running' LIMIT 1"
LARGEST = "SELECT id::text FROM workflow ORDER BY nodes DESC LIMIT 1"
QUEUE = "SELECT name FROM queues ORDER BY ready DESC LIMIT 1"
KEY = "SELECT key FROM limit_status WHERE waiting > 0 LIMIT 1"
WORKER = "SELECT id::text FROM worker ORDER BY started_at LIMIT 1"
GROUP = "SELECT fingerprint FROM dead_groups() LIMIT 1"
# A page by what it is about.
ABOUT = {
    "/jobs/{} (succeeded)": "SELECT id::text FROM job_history ORDER BY finished_at DESC LIMIT 1",
    "/jobs/{} (failed)": "SELECT id::text FROM dead_letter LIMIT 1",
    "/jobs/{} (running)": RUNNING,
    "/jobs/{} (ready)": "SELECT id::text FROM job WHERE state = 'ready' ORDER BY priority LIMIT 1",
    "/jobs/{} (limited)": "SELECT id::text FROM job WHERE state = 'ready' AND lane_id IS NOT NULL LIMIT 1",
    "/jobs/{} (scheduled)": "SELECT id::text FROM job WHERE state = 'scheduled' LIMIT 1",
    "/jobs/{} (blocked)": "SELECT max(job_id)::text FROM workflow_node WHERE workflow_id = (SELECT max(id) FROM workflow)",
    "/jobs/{} (first of a workflow)": "SELECT min(job_id)::text FROM workflow_node"
    " WHERE workflow_id = (SELECT max(id) FROM workflow)",
    "/jobs?q=queue:{}": QUEUE,
    "/jobs?q=queue:{}+state:ready": QUEUE,
    "/jobs?q=worker:{}": WORKER,
    "/jobs?q=worker:{}+state:running": WORKER,
    "/jobs?q=limit:{}": KEY,
    "/jobs?q=limit:{}+state:ready": KEY,
    "/jobs?q=workflow:{}": LARGEST,
    "/jobs?q=fingerprint:{}": GROUP,
    "/jobs?q=schedule:{}": "SELECT 'unheard'",
    "/dead-letters/{}": GROUP,
    "/workflows/{}": LARGEST,
    "/workflows/{} (small)": "SELECT id::text FROM workflow ORDER BY nodes LIMIT 1",
    "/limits/{}": KEY,
    "/limits/{} (of all)": "SELECT name FROM limit_def LIMIT 1",
    "/queues/{}": QUEUE,
    "/queues/{}?over=7d": QUEUE,
    "/workers/{}": WORKER,
    "/workers/{}/stacks": WORKER,
    "/workers/rescues?worker={}": WORKER,
    "/operations/{}": "SELECT max(id)::text FROM operation",
    "/schedules/{}": "SELECT max(name) FROM schedule",
    "/jobs/{}/log": "SELECT max(job_id)::text FROM job_log",
    "/jobs/{} (with a log)": "SELECT max(job_id)::text FROM job_log",
    "/operations/new?do=cancel&all=1&q=queue:{}": QUEUE,
    "/operations/new?do=cancel&all=1&q=worker:{}": WORKER,
}
Choose = Callable[[Sequence[float]], float]


def pages(url: str, times: int = TIMES, choose: Choose = median, only: str = "") -> dict[str, float]:
    """Milliseconds of each page whose name contains `only`, chosen among so many answers, none of which was shared."""
    found = {f"page {path}": path for path in PAGES}
    with psycopg.connect(url, autocommit=True, options=OPTIONS) as connection:
        for path, statement in ABOUT.items():
            row = connection.execute(statement.encode()).fetchone()
            if row is not None and row[0] is not None:
                found[f"page {path}"] = path.partition(" ")[0].format(quote(str(row[0]), safe=""))
    with served(url) as port:
        return asyncio.run(_timed(port, {name: path for name, path in found.items() if only in name}, times, choose))


async def _timed(port: int, found: dict[str, str], times: int, choose: Choose) -> dict[str, float]:
    connection = await Connection.open(port)
    try:
        return {name: choose(await _page(connection, path, times)) for name, path in found.items()}
    finally:
        connection.close()


async def _page(connection: Connection, path: str, times: int) -> list[float]:
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
    return took
