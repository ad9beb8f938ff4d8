"""pgqueue audit: who has done what."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from ..control.audit import reading
from ..database.calls.audit import AuditEntry
from .options import AsJson, DatabaseUrl, Limit, Schema
from .output import print_json_lines, print_table
from .session import Session
from .shape import tabular
from .times import read_when

COLUMNS = ("at", "by", "verb", "subject", "what", "reason")
SETTING = ("set_limit", "set_queue", "set_schedule")  # whose entries hold all that is set, before and after


@tabular(COLUMNS)
def audit(
    since: Annotated[str | None, typer.Option(metavar="WHEN", help="Not before: a time, or a span such as 2h.")] = None,
    by: Annotated[str | None, typer.Option(metavar="WHO", help="Only what this one has done.")] = None,
    verb: Annotated[str | None, typer.Option(metavar="VERB", help="Only this verb, such as cancel, pause, set_limit.")] = None,
    kind: Annotated[
        str | None, typer.Option(metavar="KIND", help="Only what was done to a job, queue, limit, schedule …")
    ] = None,
    subject: Annotated[str | None, typer.Option(metavar="NAME", help="Only what was done to this id or name.")] = None,
    limit: Limit = 20,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """List what people have done, the newest first: who, when, to what, and what it was before."""
    call = reading(None if since is None else read_when("since", since), by, verb, kind, subject, limit)
    with Session(database_url, schema) as database:
        entries = database.run(call)
    if as_json:
        print_json_lines(entry._asdict() | {"client": entry.client and str(entry.client)} for entry in entries)
        return
    rows = [entry._asdict() | {"subject": f"{entry.kind} {entry.subject}".rstrip(), "what": changes(entry)} for entry in entries]
    print_table("entries", rows, COLUMNS, wide=("what", "reason"), spare=("reason", "what", "at", "by"))


def changes(entry: AuditEntry) -> str:
    """What an entry has changed: members that differ as `name: before → after`, and how many jobs."""
    before, after = _members(entry.before), _members(entry.after)
    parts = [f"{entry.jobs:,} jobs"] if entry.jobs is not None else []
    if before and entry.after is None:
        parts += [f"was {name}: {_short(value)}" for name, value in before.items()]
        return ", ".join(parts)
    for name, value in after.items():
        if name not in before:
            parts.append(f"{name}: {_short(value)}")
        elif before[name] != value:
            parts.append(f"{name}: {_short(before[name])} → {_short(value)}")
    if entry.verb in SETTING:
        parts += [f"{name}: {_short(value)} → none" for name, value in before.items() if name not in after]
    return ", ".join(parts)


def _members(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {} if value is None else {"value": value}


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
