"""pgqueue migrate."""

from typing import Annotated

import typer

from ..app import PgQueue
from .options import AsJson, DatabaseUrl, Schema
from .output import print_json, say


def migrate(
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    roles: Annotated[
        bool,
        typer.Option("--roles", help="Create roles SCHEMA_producer, _worker, _viewer, _operator, _admin; needs CREATEROLE."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Install pgqueue in a schema, or upgrade it to this version. Safe to run at every start, by many processes at once."""
    from ..migrate import migrate as bring_up_to_date  # loads Alembic and SQLAlchemy, which no other command needs

    app = PgQueue(database_url, schema=schema)
    name = app.settings.schema_name
    changed = bring_up_to_date(app.url, name, roles)
    if as_json:
        print_json({"schema": name, "changed": changed})
    else:
        granted = f"; roles {name}_producer, _worker, _viewer, _operator, _admin" if roles else ""
        say(f"schema {name}: {'migrated' if changed else 'up to date'}{granted}")
