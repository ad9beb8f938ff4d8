"""pgqueue stats."""

from rich.text import Text

from ..database.calls import explain as explain_calls
from ..database.calls import queues as queue_calls
from ..database.calls import reads
from ..database.calls.explain import Unserved
from .options import AsJson, DatabaseUrl, Schema
from .output import console, print_counted, print_json, print_table
from .pause_view import print_pauses
from .secrets import safe
from .session import Session
from .shape import tabular

MOST_TOLD, MOST_UNSERVED = 10, 20  # lines about jobs that no worker may run; and with --json
QUEUES = ("queue", "state", "priority", "jobs", "oldest", "no_worker_for_task")
TASKS = ("task", "succeeded", "cancelled", "dead_letters", "mean_seconds", "p50_seconds", "p95_seconds", "p99_seconds")
SPARE_TASKS = ("mean_seconds", "p99_seconds", "p50_seconds", "cancelled", "p95_seconds")


@tabular(QUEUES, TASKS)
def stats(database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False) -> None:
    """Show live jobs by queue, which of them no worker may run, and the outcomes of each task in the last hour."""
    with Session(database_url, schema) as database:
        queues, tasks = database.run(reads.queue_stats()), database.run(reads.task_stats())
        pauses, unserved = database.run(queue_calls.pauses()), database.run(explain_calls.unserved(most=MOST_UNSERVED))
    if as_json:
        lists = {"pauses": [pause._asdict() for pause in pauses], "unserved": [one._asdict() for one in unserved]}
        print_json({"queues": queues, "tasks": tasks} | lists)
    else:
        told = [row | {"no_worker_for_task": row["no_worker_for_task"] or None} for row in queues]  # 0 is no news
        print_table("live jobs", told, QUEUES, spare=("priority", "oldest"))
        print_counted(queues)
        print_pauses(pauses)
        _print_unserved(unserved)
        print_table("tasks in the last hour", tasks, TASKS, spare=SPARE_TASKS)


def _print_unserved(unserved: list[Unserved]) -> None:
    for one in unserved[:MOST_TOLD]:
        console().print(Text(safe(f"{one.says} (such as job {one.job_id})"), "yellow"))
    if len(unserved) > MOST_TOLD:
        console().print(Text("and others: pgqueue stats --json", "yellow"))
