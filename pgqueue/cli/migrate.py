"""pgqueue migrate."""

import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from ..app import PgQueue
from ..config import load_settings
from ..errors import ConfigurationError
from .options import AsJson, DatabaseUrl, Schema
from .output import print_json, say


def migrate(
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    roles: Annotated[
        bool,
        typer.Option("--roles", help="Create roles SCHEMA_producer, _worker, _viewer, _operator, _admin; needs CREATEROLE."),
    ] = False,
    sql: Annotated[
        bool, typer.Option("--sql", help="Print the SQL instead, for `psql -v ON_ERROR_STOP=1`; no database is needed.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="VERSION", help="With --sql: the version in the table schema_version; none by default."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Install pgqueue in a schema, or upgrade it to this version. Safe to run at every start, by many processes at once."""
    from ..migrate import migrate as bring_up_to_date  # loads Alembic and SQLAlchemy, which no other command needs

    if sql:
        _print_sql(load_settings(database_url=database_url, schema_name=schema).schema_name, roles, since)
        return
    if since is not None:
        raise ConfigurationError("since: it goes with --sql; without it the version is read from the database")
    app = PgQueue(database_url, schema=schema)
    name = app.settings.schema_name
    changed = bring_up_to_date(app.url, name, roles)
    if as_json:
        print_json({"schema": name, "changed": changed})
    else:
        granted = f"; roles {name}_producer, _worker, _viewer, _operator, _admin" if roles else ""
        say(f"schema {name}: {'migrated' if changed else 'up to date'}{granted}")


def _print_sql(schema: str, roles: bool, since: str | None) -> None:
    """As UTF-8, wherever it is printed: the SQL says so itself."""
    from ..migrate import write_sql

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    write_sql(sys.stdout, schema, roles, since=since)
