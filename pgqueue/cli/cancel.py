"""pgqueue cancel."""

from typing import Annotated, Any

import typer

from ..control.cancel import cancelling
from .options import AsJson, DatabaseUrl, JobIds, Schema
from .output import for_each
from .session import Session
from .times import read_span
from .who import me

SAID = {
    "cancelled": "cancelled",
    "asked": "runs; its worker is asked to stop it",
    "fenced": "cancelled by force; what its handler still does no longer counts",
}


def cancel(
    ids: JobIds,
    force: Annotated[bool, typer.Option("--force", help="End running jobs now, whatever their workers do.")] = False,
    force_after: Annotated[
        str | None, typer.Option("--force-after", metavar="TIME", help="End them by force if they still run then, such as 30s.")
    ] = None,
    by: Annotated[str | None, typer.Option("--by", metavar="WHO", help="Who asks; you on this machine by default.")] = None,
    note: Annotated[str | None, typer.Option("--note", metavar="TEXT", help="Why; kept with the jobs.")] = None,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Cancel jobs: those that have not started end at once, those that run are asked to stop."""
    span = None if force_after is None else read_span("force_after", force_after)
    with Session(database_url, schema) as database:

        def cancel_one(id: int) -> dict[str, Any]:
            said = database.run(cancelling(id, me() if by is None else by, note, force, span))
            return {"id": id, "state": "running" if said == "asked" else "cancelled", "verdict": said}

        for_each(ids, cancel_one, lambda done: f"job {done['id']} {SAID[done['verdict']]}", as_json)
