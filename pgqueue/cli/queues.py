"""pgqueue queues: show queues, and change their settings at run time."""

from typing import Annotated, Any

import typer

from ..control.queue_settings import settings_json
from ..database.calls import queues as calls
from ..errors import InvalidArgument
from .groups import Commands, refuse_options_before
from .options import AsJson, DatabaseUrl, Schema
from .output import print_counted, print_json, print_json_lines, print_table, say, shown
from .pause_view import print_pauses
from .session import Session
from .shape import tabular
from .times import read_span

COLUMNS = ("name", "ready", "running", "scheduled", "blocked", "oldest", "workers", "settings")
SPARE = ("blocked", "oldest", "scheduled", "settings")
OWN = ("max_ready", "on_full", "starvation_after", "starvation_share", "keep_succeeded", "keep_cancelled", "dead_days")
Name = Annotated[str, typer.Argument(help="Name of the queue.")]


class _Commands(Commands):
    one = "the jobs of one queue: pgqueue jobs --queue NAME"


queues = typer.Typer(
    name="queues", cls=_Commands, help="Show queues, and change their settings at run time.", no_args_is_help=False
)


@queues.callback(invoke_without_command=True)
@tabular(COLUMNS)
def show_all(context: typer.Context, database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False) -> None:
    """Show every queue: live jobs, workers that serve it, settings, and what is paused. Commands change settings."""
    if context.invoked_subcommand is not None:
        refuse_options_before("queues", context.invoked_subcommand, database_url, schema, as_json)
        return
    with Session(database_url, schema) as database:
        rows, pauses = database.run(calls.queues()), database.run(calls.pauses())
    if as_json:
        print_json_lines(rows)
        return
    print_table("queues", [row | {"settings": _settings(row)} for row in rows], COLUMNS, ("settings",), SPARE)
    print_counted(rows)
    print_pauses(pauses)


@queues.command("set")
def set_(
    name: Name,
    max_ready: Annotated[
        int | None, typer.Option(metavar="N", help="About how many jobs may be ready; 0 for any number.")
    ] = None,
    on_full: Annotated[
        str | None,
        typer.Option(metavar="HOW", help="Above it: refuse (enqueues) or drop_oldest (of the ready jobs)."),
    ] = None,
    starvation_after: Annotated[
        str | None, typer.Option(metavar="SPAN", help="Jobs that wait longer start next, whatever their priority; 0: none do.")
    ] = None,
    starvation_share: Annotated[
        float | None, typer.Option(metavar="X", help="Which part of a claim they may be, up to 1; 0.25 by default.")
    ] = None,
    keep_succeeded: Annotated[
        bool | None, typer.Option("--keep-succeeded/--no-keep-succeeded", help="Whether jobs that succeed go to the history.")
    ] = None,
    keep_cancelled: Annotated[
        bool | None, typer.Option("--keep-cancelled/--no-keep-cancelled", help="Whether cancelled jobs go to the history.")
    ] = None,
    dead_days: Annotated[
        int | None, typer.Option(metavar="N", help="How many days dead letters are kept; 0: until somebody removes them.")
    ] = None,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Change settings of a queue. They apply at once, also to waiting jobs."""
    after = None if starvation_after is None else read_span("starvation_after", starvation_after)
    values = (max_ready, on_full, after, starvation_share, keep_succeeded, keep_cancelled, dead_days)
    settings = {field: value for field, value in zip(OWN, values, strict=True) if value is not None}
    if not settings:
        raise InvalidArgument("settings: give at least one option, such as --max-ready 10000")
    with Session(database_url, schema) as database:
        database.run(calls.set_queue(name, settings_json(settings)))
        (row,) = (row for row in database.run(calls.queues()) if row["name"] == name)
    print_json(row) if as_json else say(f"queue {name}: {_settings(row) or 'the defaults'}")


@queues.command()
def reset(name: Name, database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False) -> None:
    """Give all settings of a queue their defaults."""
    with Session(database_url, schema) as database:
        had_any = database.run(calls.reset_queue(name))
    if as_json:
        print_json({"name": name, "had_settings": had_any})
    else:
        say(f"queue {name}: {'the defaults' if had_any else 'it had no settings'}")


def _settings(row: dict[str, Any]) -> str:
    """The settings of a queue that are not the defaults."""
    parts = []
    if row["max_ready"]:
        parts.append(f"max_ready {row['max_ready']} ({row['on_full']})")
    if row["starvation_after"]:
        parts.append(f"starvation_after {shown(row['starvation_after'])} (share {row['starvation_share']:g})")
    parts += [f"{name} false" for name in ("keep_succeeded", "keep_cancelled") if row[name] is False]
    if row["dead_days"]:
        parts.append(f"dead_days {row['dead_days']}")
    return ", ".join(parts)
