"""pgqueue discard."""

from .bulk import InBulk, in_bulk
from .options import AsJson, DatabaseUrl, Schema, State
from .session import Session


@in_bulk(State.failed)
def discard(
    bulk: InBulk,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Remove dead letters for good, by id or by a filter; the operation keeps who and why."""
    bulk.is_wanted()
    with Session(database_url, schema) as database:
        bulk.run(database, "discard", {}, as_json)
