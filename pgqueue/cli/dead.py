"""pgqueue dead."""

from typing import Annotated

import typer

from ..database.calls import reads
from .jobs import retry_each
from .options import AsJson, DatabaseUrl, Limit, OfQueue, OfTask, Schema
from .output import print_json_lines, print_table
from .session import Session

COLUMNS = ("id", "queue", "task", "args", "attempt", "finished_at", "error")


def dead(
    queue: OfQueue = None,
    task: OfTask = None,
    limit: Limit = 20,
    retry: Annotated[bool, typer.Option("--retry", help="Retry the listed jobs.")] = False,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the latest first: jobs that failed for good, and why."""
    with Session(database_url, schema) as database:
        rows = database.run(reads.dead_letters(queue, task, limit))
        if retry:
            retry_each(database, [row["id"] for row in rows], as_json)
    if as_json:
        print_json_lines(rows)
    else:
        readable = [row | {"error": f"{row['error_type'] or row['reason']}: {row['error_message'] or ''}"} for row in rows]
        print_table("dead letters", readable, COLUMNS, wide=("args", "error"), spare=("finished_at", "attempt"))
