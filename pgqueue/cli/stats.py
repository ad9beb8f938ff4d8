"""pgqueue stats, pgqueue workers."""

from rich.text import Text

from ..database.calls import explain as explain_calls
from ..database.calls import queues as queue_calls
from ..database.calls import reads
from ..database.calls.explain import Unserved
from .options import AsJson, DatabaseUrl, Schema
from .output import console, print_counted, print_json, print_json_lines, print_table
from .pause_view import print_pauses
from .secrets import safe
from .session import Session

MOST_TOLD, MOST_UNSERVED = 10, 20  # lines about jobs that no worker may run; and with --json
QUEUES = ("queue", "state", "priority", "jobs", "oldest", "no_worker_for_task")
TASKS = ("task", "succeeded", "cancelled", "dead", "mean_seconds", "p50_seconds", "p95_seconds", "p99_seconds")
WORKERS = (
    "name", "status", "running", "concurrency", "done", "failed", "queues", "pool", "wake_mode", "started_at", "heartbeat_at",
    "loop_lag", "memory", "cpu_seconds", "app_version", "version", "last_error", "id",
)  # fmt: skip
SPARE = (
    "id", "started_at", "version", "cpu_seconds", "loop_lag", "last_error", "wake_mode", "pool", "app_version", "memory",
    "concurrency",
)  # fmt: skip


def stats(database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False) -> None:
    """Show live jobs by queue, which of them no worker may run, and the outcomes of each task in the last hour."""
    with Session(database_url, schema) as database:
        queues, tasks = database.run(reads.queue_stats()), database.run(reads.task_stats())
        pauses, unserved = database.run(queue_calls.pauses()), database.run(explain_calls.unserved(most=MOST_UNSERVED))
    if as_json:
        lists = {"pauses": [pause._asdict() for pause in pauses], "unserved": [one._asdict() for one in unserved]}
        print_json({"queues": queues, "tasks": tasks} | lists)
    else:
        print_table("live jobs", queues, QUEUES, ("queue",), ("priority",))
        print_counted(queues)
        print_pauses(pauses)
        _print_unserved(unserved)
        print_table("tasks in the last hour", tasks, TASKS, ("task",), ("mean_seconds", "p99_seconds", "p50_seconds"))


def _print_unserved(unserved: list[Unserved]) -> None:
    for one in unserved[:MOST_TOLD]:
        console().print(Text(safe(f"{one.says} (such as job {one.job_id})"), "yellow"))
    if len(unserved) > MOST_TOLD:
        console().print(Text("and others: pgqueue stats --json", "yellow"))


def workers(database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False) -> None:
    """List worker processes: ACTIVE, IDLE, PAUSED, DRAINING, or DEAD if a worker has missed its lease."""
    with Session(database_url, schema) as database:
        rows = database.run(reads.workers())
    if as_json:
        print_json_lines(rows)
    else:
        shown = [row | {"memory": _size(row["memory"], row["memory_limit"])} for row in rows]
        print_table("workers", shown, WORKERS, ("queues", "wake_mode"), SPARE)


def _size(memory: int | None, limit: int | None) -> str:
    of = f" of {limit / 2**20:,.0f}" if limit else ""
    return "" if memory is None else f"{memory / 2**20:,.0f}{of} MiB"
