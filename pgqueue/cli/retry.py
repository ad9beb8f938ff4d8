"""pgqueue retry."""

from typing import Annotated

import typer

from .._checks import interval
from .bulk import InBulk, in_bulk
from .jobs import retry_each
from .options import AsJson, DatabaseUrl, Schema, State
from .session import Session
from .times import read_span


@in_bulk(State.failed)
def retry(
    bulk: InBulk,
    run_after: Annotated[str | None, typer.Option("--run-after", metavar="SPAN", help="Delay of each job: 30s, 5m.")] = None,
    keep_attempts: Annotated[
        bool, typer.Option("--keep-attempts", help="Attempts go on counting; by default they begin anew.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Also jobs that came back three times already.")] = False,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Run jobs again: by id waiting ones, dead letters (same id) or finished ones (a new job); by a filter the dead letters."""
    span = None if run_after is None else read_span("run_after", run_after)
    spec = {"run_after": interval(span), "keep_attempts": keep_attempts or None, "force": force or None}
    with Session(database_url, schema) as database:
        if bulk.is_wanted():
            bulk.run(database, "retry", spec, as_json)
        retry_each(database, bulk.ids, as_json, bulk.by, keep_attempts, interval(span), force)
