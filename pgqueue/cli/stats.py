"""pgqueue stats."""

from ..database.calls import queues as queue_calls
from ..database.calls import reads
from .options import AsJson, DatabaseUrl, Schema
from .output import print_counted, print_json, print_table
from .pause_view import print_pauses
from .session import Session
from .shape import tabular

QUEUES = ("queue", "state", "priority", "jobs", "oldest", "no_worker_for_task")
TASKS = ("task", "succeeded", "cancelled", "dead_letters", "mean_seconds", "p50_seconds", "p95_seconds", "p99_seconds")
SPARE_TASKS = ("mean_seconds", "p99_seconds", "p50_seconds", "cancelled", "p95_seconds")


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
