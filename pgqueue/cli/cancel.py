"""pgqueue cancel."""

from typing import Annotated, Any

import typer

from .._checks import interval
from ..control.cancel import cancelling
from .bulk import InBulk, in_bulk
from .options import AsJson, DatabaseUrl, Schema
from .output import for_each
from .session import Session
from .times import read_span
from .who import who

SAID = {
    "cancelled": "cancelled",
    "asked": "runs; its worker is asked to stop it",
    "fenced": "cancelled by force; what its handler still does no longer counts",
}


@in_bulk()
def cancel(
    bulk: InBulk,
    force: Annotated[bool, typer.Option("--force", help="End running jobs now, whatever their workers do.")] = False,
    force_after: Annotated[
        str | None, typer.Option("--force-after", metavar="SPAN", help="End them by force if they still run after that: 30s.")
    ] = None,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Cancel jobs by id, or all jobs of a filter: waiting ones end at once, those that run are asked to stop."""
    span = None if force_after is None else read_span("force_after", force_after)
    with Session(database_url, schema) as database:
        if bulk.is_wanted():
            bulk.run(database, "cancel", {"force": force or None, "force_after": interval(span)}, as_json)

        def cancel_one(id: int) -> dict[str, Any]:
            said = database.run(cancelling(id, who(bulk.by), bulk.note, force, span))
            return {"id": id, "state": "running" if said == "asked" else "cancelled", "verdict": said}

        for_each(bulk.ids, cancel_one, lambda done: f"job {done['id']} {SAID[done['verdict']]}", as_json)
