"""pgqueue workers."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..database.calls import reads
from ..database.calls import workers as calls
from .options import AsJson, DatabaseUrl, Schema
from .output import console, print_json_lines, print_table
from .session import Session
from .shape import tabular

WORKERS = (
    "name", "status", "running", "concurrency", "done", "failed", "queues", "pool", "wake_mode", "started_at", "heartbeat_at",
    "loop_lag", "memory", "cpu_seconds", "app_version", "version", "last_error", "id",
)  # fmt: skip
SPARE_WORKERS = (
    "id", "started_at", "version", "cpu_seconds", "loop_lag", "last_error", "wake_mode", "pool", "app_version", "memory",
    "concurrency", "heartbeat_at", "queues", "failed", "done",
)  # fmt: skip
RUNNING = ("job", "task", "queue", "worker", "attempt", "since", "for")
SPARE_RUNNING = ("attempt", "since", "worker", "queue")
MOST_EACH, MOST_SHOWN = 100, 20  # running jobs: of each worker in JSON, and in the table


@tabular(WORKERS, RUNNING)
def workers(database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False) -> None:
    """List worker processes: ACTIVE, IDLE, PAUSED, DRAINING, or DEAD if a worker has missed its lease; and what they run."""
    with Session(database_url, schema) as database:
        rows = database.run(reads.workers())
        runs = database.run(calls.runs_of_each(MOST_EACH))
    if as_json:
        told = _told(runs)
        print_json_lines(row | {"jobs": told.get(row["id"], [])} for row in rows)
        return
    shown = [row | {"memory": _size(row["memory"], row["memory_limit"])} for row in rows]
    print_table("workers", shown, WORKERS, wide=("queues", "last_error"), spare=SPARE_WORKERS)
    if runs:
        _print_runs(runs, {row["id"]: row["name"] for row in rows})


def _told(runs: Sequence[Mapping[str, Any]]) -> dict[Any, list[dict[str, Any]]]:
    """The runs of each worker."""
    found: dict[Any, list[dict[str, Any]]] = {}
    for run in runs:
        found.setdefault(run["worker_id"], []).append({name: value for name, value in run.items() if name != "worker_id"})
    return found


def _print_runs(runs: Sequence[Mapping[str, Any]], names: Mapping[Any, str]) -> None:
    """The runs that go on for the longest."""
    rows = [
        {
            "job": run["id"],
            "task": run["task"],
            "queue": run["queue"],
            "worker": names.get(run["worker_id"]),
            "attempt": f"{run['attempt']} of {run['max_attempts']}",
            "since": run["claimed_at"],
            "for": run["age"],
        }
        for run in sorted(runs, key=lambda run: -run["age"].total_seconds())[:MOST_SHOWN]
    ]
    print_table("running jobs", rows, RUNNING, spare=SPARE_RUNNING)
    if len(runs) > MOST_SHOWN:
        console().print("more of them: pgqueue jobs state:running", style="dim")


def _size(memory: int | None, limit: int | None) -> str:
    of = f" of {limit / 2**20:,.0f}" if limit else ""
    return "" if memory is None else f"{memory / 2**20:,.0f}{of} MiB"
