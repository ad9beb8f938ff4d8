"""pgqueue keys: make, list and revoke keys of the REST API, with which people sign in to the dashboard, too."""

import json
from enum import StrEnum
from typing import Annotated

import typer

from ..control.keys import new_key, read_key
from ..database.calls import keys as calls
from ..database.calls.keys import KeySpec
from .groups import Commands
from .options import AsJson, DatabaseUrl, Schema
from .output import print_json, print_json_lines, print_table, say
from .session import Session
from .shape import tabular
from .times import read_span

COLUMNS = ("id", "name", "role", "queues", "status", "last_used_at", "expires_at", "created_by", "created_at")
SPARE = ("created_by", "created_at", "expires_at", "last_used_at", "queues")
Limit = Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="Maximum number of rows.")]


class Role(StrEnum):
    """What a key may, as the SQL role of this name."""

    viewer = "viewer"
    producer = "producer"
    worker = "worker"
    operator = "operator"
    admin = "admin"


class _Commands(Commands):
    one = "all keys: pgqueue keys list"


api_keys = typer.Typer(
    name="keys",
    cls=_Commands,
    help="Make, list and revoke API keys: of the REST API, and to sign in to the dashboard.",
    no_args_is_help=True,
)


@api_keys.command()
def create(
    role: Annotated[Role, typer.Option(help="What the key may.")],
    name: Annotated[str | None, typer.Option(metavar="NAME", help="For people; the role by default.")] = None,
    queue: Annotated[list[str] | None, typer.Option(metavar="QUEUE", help="Only for this queue; may be repeated.")] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="SPAN", help="For how long it is valid: 90d, 12h; for ever if not given.")
    ] = None,
    no_arguments: Annotated[
        bool, typer.Option("--no-arguments", help="The key does not show arguments, results and errors of jobs.")
    ] = False,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it. It is printed this once: the database keeps only a digest of it."""
    seconds = None if expires is None else read_span("expires", expires).total_seconds()
    with Session(database_url, schema) as database:
        made = new_key(KeySpec(name or role.value, role.value, queue or None, not no_arguments, None, seconds))
        expires_at = database.run(made.store)
    if as_json:  # not by print_json, which leaves secrets out
        ends = expires_at and expires_at.isoformat()
        print(json.dumps({"id": made.id, "name": name or role.value, "role": role.value, "expires_at": ends, "key": made.text}))
    else:
        print(made.text)


@api_keys.command("list")
@tabular(COLUMNS)
def list_(limit: Limit = 100, database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False) -> None:
    """List keys without their secrets, the newest first: those that have expired or were revoked, too."""
    with Session(database_url, schema) as database:
        rows = [key._asdict() for key in database.run(calls.keys(limit))]
    if as_json:
        print_json_lines(rows)
        return
    for row in rows:
        row["queues"] = "all" if row["queues"] is None else row["queues"]
    print_table("keys", rows, COLUMNS, wide=("queues",), spare=SPARE)


@api_keys.command()
def revoke(
    id: Annotated[str, typer.Argument(metavar="ID", help="The part of the key behind pgq_, see keys list; or the key.")],
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Why, for the audit log.")] = None,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Revoke a key: servers refuse it within a second."""
    whole = read_key(id)
    id = id if whole is None else whole[0]
    with Session(database_url, schema) as database:
        revoked = database.run(calls.revoke_key(id, reason))
    if as_json:
        print_json({"id": id, "revoked": revoked})
    else:
        say(f"key {id} {'revoked' if revoked else 'was revoked before'}")
