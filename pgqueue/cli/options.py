"""Options that several commands share."""

from enum import StrEnum
from typing import Annotated

import typer

DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        metavar="URL",
        help="postgresql://…, or embedded: to try things out; $PGQUEUE_DATABASE_URL by default. "
        "Other users of the machine see options in `ps`: pass a password in the variable, or keep it in ~/.pgpass.",
    ),
]
Schema = Annotated[
    str | None,
    typer.Option("--schema", metavar="NAME", help="Schema of pgqueue; $PGQUEUE_SCHEMA or pgqueue by default."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON: one object, or one object per line.")]
Wide = Annotated[bool, typer.Option("--wide", help="Tables of any width: nothing is cut, and no column is left out.")]
Columns = Annotated[
    str | None, typer.Option("--columns", metavar="LIST", help="Only these columns, in this order: id,state. Not with --json.")
]
Limit = Annotated[int, typer.Option(metavar="N", min=1, max=1_000_000, help="Maximum number of rows.")]
JobIds = Annotated[list[int], typer.Argument(metavar="ID", help="Ids of jobs.")]
WorkflowIds = Annotated[list[int], typer.Argument(metavar="ID", help="Ids of workflows.")]


class State(StrEnum):
    """The states of a job, as in sql/types.sql."""

    blocked = "blocked"
    scheduled = "scheduled"
    ready = "ready"
    running = "running"
    succeeded = "succeeded"
    failed = "failed"
    cancelled = "cancelled"


class WorkflowStatus(StrEnum):
    """The status of a workflow, as in the view workflow_progress. A workflow is never skipped: a node of it ended before."""

    running = "running"
    succeeded = "succeeded"
    failed = "failed"
    cancelled = "cancelled"
