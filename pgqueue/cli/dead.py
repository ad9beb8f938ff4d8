"""pgqueue dead."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from .._checks import invalid
from ..control.jobs import MOST_COUNTED, MOST_ROWS
from ..database.calls import dead as calls
from ..database.calls.jobs import count_jobs
from .failures import ALERTED
from .filters import filter_json, filtered
from .jobs import retry_each
from .options import AsJson, DatabaseUrl, Limit, Schema, State
from .output import console, print_json_lines, print_table, say
from .session import Session
from .shape import tabular

COLUMNS = ("id", "queue", "task", "args", "attempt", "finished_at", "error")
GROUP_COLUMNS = ("jobs", "error", "fingerprint", "tasks", "queues", "first_at", "last_at", "sample_id")
SPARE_GROUPS = ("queues", "first_at", "last_at", "tasks", "error")


class Property(StrEnum):
    """What dead letters are counted by."""

    task = "task"
    queue = "queue"
    reason = "reason"
    error_type = "error_type"
    fingerprint = "fingerprint"
    hour = "hour"
    worker = "worker"
    host = "host"
    version = "version"


@filtered(State.failed)
@tabular(COLUMNS, GROUP_COLUMNS, tuple(Property))
def dead(
    filter: dict[str, Any],
    group: Annotated[
        bool, typer.Option("--group", help="One line for each kind of failure, by fingerprint, with the newest job as a sample.")
    ] = False,
    by: Annotated[Property | None, typer.Option(metavar="FIELD", help=f"Count them by one of {', '.join(Property)}.")] = None,
    alert: Annotated[
        int | None, typer.Option(min=1, metavar="N", help=f"End with exit code {ALERTED} if there are N or more.")
    ] = None,
    limit: Limit = 20,
    after: Annotated[str | None, typer.Option(metavar="CURSOR", help="Go on behind the last line of another call.")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Retry the listed jobs.")] = False,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Show dead letters, the latest first: jobs that failed for good, and why; or what many of them have in common."""
    if filter["state"] != [State.failed.value]:
        raise invalid("state", ", ".join(filter["state"]), "dead letters are failed; see pgqueue jobs for other states")
    if retry and (group or by):
        raise invalid("retry", "--retry", "it retries listed jobs; leave out --group and --by, or see pgqueue retry")
    its = filter_json(filter)
    with Session(database_url, schema) as database:
        if group:
            _print_groups(database.run(calls.dead_groups(its, limit)), as_json)
        elif by:
            _print_counts(by.value, database.run(calls.dead_stats(by.value, its, limit)), as_json)
        else:
            rows, following = _listed(database, its, limit, after)
            if retry:
                retry_each(database, [row["id"] for row in rows], as_json)
            _print_letters(rows, following, as_json)
        if alert is not None and database.run(count_jobs(its, MOST_COUNTED)).jobs >= alert:
            raise typer.Exit(ALERTED)


def _listed(database: Session, filter: str, limit: int, after: str | None) -> tuple[list[dict[str, Any]], str | None]:
    """The latest dead letters, and the cursor of the next one; None = there are no more."""
    rows: list[dict[str, Any]] = []
    while True:
        page, after = database.run(calls.dead_letters(filter, after, min(limit - len(rows), MOST_ROWS)))
        rows += page
        if after is None or len(rows) >= limit:
            return rows, after


def _print_letters(rows: list[dict[str, Any]], following: str | None, as_json: bool) -> None:
    if as_json:
        print_json_lines(rows)
    else:
        readable = [row | {"error": _error(row["error_type"] or row["reason"], row["error_message"])} for row in rows]
        print_table("dead letters", readable, COLUMNS, wide=("args", "error"), spare=("attempt", "args", "finished_at", "error"))
    if following is not None:
        say(f"go on with --after '{following}'", to_stderr=True)


def _print_groups(groups: list[calls.DeadGroup], as_json: bool) -> None:
    if as_json:
        print_json_lines(group._asdict() for group in groups)
        return
    rows = [group._asdict() | {"error": _error(group.error_type or group.reason, group.message)} for group in groups]
    print_table("dead letters", rows, GROUP_COLUMNS, wide=("error", "tasks", "queues"), spare=SPARE_GROUPS)
    if groups and (looked_to := groups[0].looked_to):
        since = f"{looked_to:%Y-%m-%d %H:%M:%S%z}"
        console().print(f"only what failed since {since} was looked at; --until and --error look elsewhere", style="dim")


def _print_counts(name: str, counts: list[calls.DeadCount], as_json: bool) -> None:
    rows = [{name: count.value, **count._asdict()} for count in counts]
    if as_json:
        print_json_lines([{key: value for key, value in row.items() if key != "value"} for row in rows])
    else:
        print_table("dead letters", rows, (name, "jobs", "first_at", "last_at"), spare=("first_at", "last_at"))


def _error(kind: str, message: str | None) -> str:
    return f"{kind}: {message or ''}"
