"""pgqueue discard."""

from typing import Any

from .bulk import All, DryRun, InBulk, MaybeIds, Note, PerSecond, Watch, of_dead_letters
from .filters import filtered
from .options import AsJson, DatabaseUrl, Schema, State
from .session import Session
from .who import By


@filtered(State.failed)
def discard(
    filter: dict[str, Any],
    ids: MaybeIds = None,
    is_all: All = False,
    dry_run: DryRun = False,
    per_second: PerSecond = None,
    by: By = None,
    note: Note = None,
    watch: Watch = False,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Remove dead letters for good, by id or by a filter; the operation keeps who and why."""
    bulk = InBulk(ids or [], of_dead_letters(filter), is_all, dry_run, per_second, by, note, watch)
    bulk.is_wanted()
    with Session(database_url, schema) as database:
        bulk.run(database, "discard", {}, as_json)
