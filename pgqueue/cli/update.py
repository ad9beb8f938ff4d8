"""pgqueue update."""

from typing import Annotated

import typer

from .._checks import interval
from ..errors import InvalidArgument
from .bulk import InBulk, in_bulk
from .enqueue import priority_of
from .options import AsJson, DatabaseUrl, Schema
from .session import Session
from .times import read_span, read_time


@in_bulk()
def update(
    bulk: InBulk,
    priority: Annotated[str | None, typer.Option(metavar="N", help="-100 to 100; or low, medium, high.")] = None,
    run_at: Annotated[str | None, typer.Option("--run-at", metavar="TIME", help="When they run, in ISO format.")] = None,
    run_after: Annotated[
        str | None, typer.Option("--run-after", metavar="SPAN", help="When they run, from now on: 30s, 5m, 2h.")
    ] = None,
    to_queue: Annotated[str | None, typer.Option("--to-queue", metavar="NAME", help="Where they wait from now on.")] = None,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Change jobs that have not started, by id or by a filter."""
    spec = {
        "priority": None if priority is None else priority_of(priority),
        "run_at": None if run_at is None else read_time("run_at", run_at).isoformat(),
        "run_after": None if run_after is None else interval(read_span("run_after", run_after)),
        "queue": to_queue,
    }
    if all(value is None for value in spec.values()):
        raise InvalidArgument("update: nothing is to change; give --priority, --run-at, --run-after or --to-queue")
    bulk.is_wanted()
    with Session(database_url, schema) as database:
        bulk.run(database, "update", spec, as_json)
