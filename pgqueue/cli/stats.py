"""pgqueue stats, pgqueue workers."""

from ..database.calls import queues as queue_calls
from ..database.calls import reads
from .options import AsJson, DatabaseUrl, Schema
from .output import print_counted, print_json, print_json_lines, print_table
from .pause_view import print_pauses
from .session import Session
from .shape import tabular

QUEUES = ("queue", "state", "priority", "jobs", "oldest", "no_worker_for_task")
TASKS = ("task", "succeeded", "cancelled", "dead", "mean_seconds", "p50_seconds", "p95_seconds", "p99_seconds")
SPARE_TASKS = ("mean_seconds", "p99_seconds", "p50_seconds", "cancelled", "p95_seconds")
WORKERS = (
    "name", "status", "running", "concurrency", "done", "failed", "queues", "pool", "wake_mode", "started_at", "heartbeat_at",
    "loop_lag", "memory", "cpu_seconds", "app_version", "version", "last_error", "id",
)  # fmt: skip
SPARE_WORKERS = (
    "id", "started_at", "version", "cpu_seconds", "loop_lag", "last_error", "wake_mode", "pool", "app_version", "memory",
    "concurrency", "heartbeat_at", "queues", "failed", "done",
)  # fmt: skip


@tabular(QUEUES, TASKS)
def stats(database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False) -> None:
    """Show live jobs by queue, and the outcomes of each task in the last hour."""
    with Session(database_url, schema) as database:
        queues, tasks = database.run(reads.queue_stats()), database.run(reads.task_stats())
        pauses = database.run(queue_calls.pauses())
    if as_json:
        print_json({"queues": queues, "tasks": tasks, "pauses": [pause._asdict() for pause in pauses]})
    else:
        print_table("live jobs", queues, QUEUES, spare=("priority", "oldest"))
        print_counted(queues)
        print_pauses(pauses)
        print_table("tasks in the last hour", tasks, TASKS, spare=SPARE_TASKS)


@tabular(WORKERS)
def workers(database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False) -> None:
    """List worker processes: ACTIVE, IDLE, PAUSED, DRAINING, or DEAD if a worker has missed its lease."""
    with Session(database_url, schema) as database:
        rows = database.run(reads.workers())
    if as_json:
        print_json_lines(rows)
    else:
        shown = [row | {"memory": _size(row["memory"], row["memory_limit"])} for row in rows]
        print_table("workers", shown, WORKERS, wide=("queues", "last_error"), spare=SPARE_WORKERS)


def _size(memory: int | None, limit: int | None) -> str:
    of = f" of {limit / 2**20:,.0f}" if limit else ""
    return "" if memory is None else f"{memory / 2**20:,.0f}{of} MiB"
