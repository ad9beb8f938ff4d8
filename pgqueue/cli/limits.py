"""pgqueue limits: show limits, and change them at run time."""

from functools import partial
from typing import Annotated

import typer

from ..database.calls import limits as calls
from ..database.calls.limits import LimitValues
from ..errors import InvalidArgument
from ..limits.limits import limit_values, parking, unknown_key
from .groups import Commands, refuse_options_before
from .limit_view import readable, said
from .options import AsJson, DatabaseUrl, Schema
from .output import print_facts, print_json, print_json_lines, print_table, say, shown
from .session import Session
from .shape import tabular
from .times import read_span, read_time

COLUMNS = ("key", "limit", "running", "waiting", "tokens", "used", "wait_seconds", "parked_until", "weight")
SPARE = ("weight", "used", "tokens", "wait_seconds", "parked_until", "limit")
FACTS = (
    "limit", "running", "waiting", "tokens", "burst_used", "used", "remaining", "wait_seconds", "parked_until", "weight",
    "changed_at",
)  # fmt: skip
Name = Annotated[str, typer.Argument(help="Name of the limit: openai, tenant, tenant:42, queue:mail, task:welcome.")]
Key = Annotated[str, typer.Argument(help="Key of a limit: openai, tenant:42, queue:mail.")]


class _Commands(Commands):
    one = "one key: pgqueue limits get KEY"


limits = typer.Typer(name="limits", cls=_Commands, help="Show limits, and change them at run time.", no_args_is_help=False)


@limits.callback(invoke_without_command=True)
@tabular(COLUMNS)
def show_all(context: typer.Context, database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False) -> None:
    """Show every limit and every key in use with its current values. Commands change them."""
    if context.invoked_subcommand is not None:
        refuse_options_before("limits", context.invoked_subcommand, database_url, schema, as_json)
        return
    with Session(database_url, schema) as database:
        rows = database.run(calls.limit_status())
    if as_json:
        print_json_lines(row._asdict() for row in rows)
    else:
        print_table("limits", [readable(row) for row in rows], COLUMNS, wide=("limit",), spare=SPARE)


@limits.command("set")
def set_(
    name: Name,
    rate: Annotated[
        str | None, typer.Option(metavar="N/UNIT", help="Rate of starts per s, m, h or d: 100/m, 10/30s; 0 for no rate.")
    ] = None,
    burst: Annotated[float | None, typer.Option(metavar="N", help="How many jobs may start at once after a pause.")] = None,
    max_running: Annotated[int | None, typer.Option(metavar="N", help="How many jobs may run at once; 0 for no bound.")] = None,
    counts: Annotated[
        str | None, typer.Option(metavar="cost|starts", help="What a start takes: the cost of its job, or one token.")
    ] = None,
    weight: Annotated[int | None, typer.Option(metavar="N", help="Share of the key when keys take turns, 1 to 1000.")] = None,
    retry_blocks: Annotated[
        bool | None,
        typer.Option("--retry-blocks/--no-retry-blocks", help="Whether a job that waits for its retry blocks its key."),
    ] = None,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="Whether the limit is in force.")] = None,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Create or change a limit. It applies at once, also to waiting jobs."""
    values = limit_values(0 if rate == "0" else rate, None, burst, max_running, counts, weight, retry_blocks, enabled)
    with Session(database_url, schema) as database:
        there = any(one.limit_name == name for one in database.run(calls.limit_status_of(name)))
        if values != LimitValues():
            database.run(calls.set_limit(name, values))
        elif not there:
            raise InvalidArgument(
                f"name: there is no limit {name!r}; to create it, give at least one option, such as --rate 60/m"
            )
        (now,) = database.run(calls.limit_status_of(name))
    if as_json:
        print_json(now._asdict())
    else:
        did = "made " if not there else "" if values == LimitValues() else "changed "
        say(f"{did}limit {name}: {said(now)}")
        if name.startswith("task:") and not there:
            say(
                f"it applies to jobs that name it: jobs of a task with rate_limit or max_running, or enqueued with --limit {name}"
            )


@limits.command()
@tabular(FACTS)
def get(key: Key, database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False) -> None:
    """Show the current values of one key."""
    with Session(database_url, schema) as database:
        found = database.run(calls.limit_status_of(key))
        if not found:
            raise unknown_key(key, database.run(calls.limit_status()))
    if as_json:
        print_json(found[0]._asdict())
    else:
        print_facts(f"limit {key}", readable(found[0]), FACTS)


@limits.command()
def reset(key: Key, database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False) -> None:
    """Fill the bucket of a key, or the buckets of all keys of a name."""
    with Session(database_url, schema) as database:
        filled = database.run(calls.reset_limit(key))
    print_json({"key": key, "filled": filled}) if as_json else say(
        f"{key}: {filled} {'bucket' if filled == 1 else 'buckets'} filled"
    )


@limits.command()
def delete(name: Name, database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False) -> None:
    """Remove a limit: jobs that wait for it are no longer limited by it."""
    with Session(database_url, schema) as database:
        database.run(calls.delete_limit(name))
    print_json({"name": name, "deleted": True}) if as_json else say(f"limit {name} deleted")


@limits.command()
def park(
    key: Key,
    span: Annotated[str | None, typer.Option("--for", metavar="SPAN", help="Duration: 30s, 5m, 2h, 1d, or seconds.")] = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="End time in ISO format: 2030-01-31T12:00+01:00; local time without a zone."),
    ] = None,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Why, for the audit log.")] = None,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Park a key: its waiting jobs do not start, running jobs continue."""
    if (span is None) == (until is None):
        raise InvalidArgument("until: give either --until or --for")
    asked = read_span("for", span) if span is not None else read_time("until", str(until))
    call = parking(key, asked, partial(calls.park, reason=reason))
    with Session(database_url, schema) as database:
        before = {one.parked_until for one in database.run(calls.limit_status_of(key))}
        database.run(call)
        (now,) = database.run(calls.limit_status_of(key))
    if as_json:
        print_json({"key": key, "parked_until": now.parked_until})
    elif now.parked_until in before - {None, asked}:
        say(f"{key} stays parked until {shown(now.parked_until)}: it is parked for longer already; unpark it first")
    else:
        say(f"{key} parked until {shown(now.parked_until)}" if now.parked_until else f"{key} is not parked: that time has passed")


@limits.command()
def unpark(key: Key, database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False) -> None:
    """Open a parked key."""
    with Session(database_url, schema) as database:
        was_parked = database.run(calls.unpark(key))
    print_json({"key": key, "was_parked": was_parked}) if as_json else say(
        f"{key} {'opened' if was_parked else 'was not parked'}"
    )
