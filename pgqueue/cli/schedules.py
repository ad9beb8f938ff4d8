"""pgqueue schedules, schedule: show schedules, and change them at run time."""

from typing import Annotated, Any

import typer
from rich.text import Text

from .._checks import interval, invalid
from .._json import dumps
from ..database.calls import schedules as calls
from ..database.calls.schedules import ScheduleStatus
from ..schedules.changes import changes_json
from ..schedules.ranges import check_range, in_chunks, next_ticks, ticks_between
from ..schedules.schedules import ticks_of, unknown
from ..schedules.values import is_name, read_fields
from ..schedules.words import describe_schedule
from .enqueue import args_of, priority_of
from .groups import Commands, refuse_options_before
from .options import AsJson, DatabaseUrl, Limit, Schema
from .output import console, print_facts, print_json, print_json_lines, print_table, say
from .schedule_view import NEXT, Answer, answer_about, readable, readable_tick
from .secrets import safe
from .session import Session
from .shape import shape, tabular
from .times import read_span, read_time

COLUMNS = ("name", "next_tick", "here", "last_tick", "outcome", "misfires")
FACTS = (
    "when", "job", "more", "next_tick", "here", "paused_at", "error", "last_tick", "last_outcome", "last_reason", "last_job_id",
    "misfire", "misfires", "overlap", "declared_by",
)  # fmt: skip
TICKS = ("tick", "outcome", "reason", "job_id", "for", "fired_at")
SPAN = "30s, 5m, 2h, 1d, or seconds."
TIME = "in ISO format: 2030-01-31T12:00+01:00; local time without a zone."
Name = Annotated[str, typer.Argument(help="Name of the schedule.")]


class _Commands(Commands):
    one = "one schedule: pgqueue schedule NAME"


schedules = typer.Typer(
    name="schedules", cls=_Commands, help="Show schedules, and change them at run time.", no_args_is_help=False
)


@schedules.callback(invoke_without_command=True)
@tabular(COLUMNS)
def show_all(context: typer.Context, database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False) -> None:
    """Show every schedule: the next tick in its zone and here, the last tick and what came of it. Commands change them."""
    if context.invoked_subcommand is not None:
        refuse_options_before("schedules", context.invoked_subcommand, database_url, schema, as_json)
        return
    with Session(database_url, schema) as database:
        rows = database.run(calls.schedules())
    if as_json:
        print_json_lines(row._asdict() for row in rows)
        return
    print_table("schedules", [readable(row) for row in rows], COLUMNS, spare=("here", "misfires", "last_tick"))
    _print_remarks(rows)


@tabular(FACTS, TICKS)
def schedule(
    name: Name, limit: Limit = 10, database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False
) -> None:
    """Show one schedule: when it fires in words, its next five ticks, and what came of its last ticks."""
    with Session(database_url, schema) as database:
        row = _found(database, name)
        answer = answer_about(database, row)
        ticks = database.run(calls.schedule_ticks(name, limit))
    if as_json:
        print_json(row._asdict() | answer.as_json() | {"ticks": [tick._asdict() for tick in ticks]})
        return
    print_facts(f"schedule {name}", readable(row), FACTS)
    if not shape().columns:
        _print_answer(answer)
    if ticks:
        print_table(
            "ticks", [readable_tick(tick, row) for tick in ticks], TICKS, wide=("reason",), spare=("fired_at", "for", "reason")
        )
    if not shape().columns:
        _print_remarks([row])


@schedules.command("set")
def set_(
    name: Name,
    cron: Annotated[
        list[str] | None, typer.Option(metavar="EXPRESSION", help="Cron expression: '0 2 * * *'; may be repeated.")
    ] = None,
    every: Annotated[str | None, typer.Option(metavar="SPAN", help=f"Interval in place of --cron: {SPAN}")] = None,
    timezone: Annotated[
        str | None, typer.Option("--timezone", "--zone", metavar="ZONE", help="Zone of --cron, such as Europe/Berlin.")
    ] = None,
    task: Annotated[str | None, typer.Option(metavar="NAME", help="Task that the jobs call.")] = None,
    args: Annotated[str | None, typer.Option(metavar="JSON", help="""Arguments by name, as JSON: '{"to": 1}'""")] = None,
    queue: Annotated[str | None, typer.Option(metavar="NAME", help="Queue of the jobs.")] = None,
    priority: Annotated[str | None, typer.Option(metavar="N", help="-100 to 100; or low, medium, high.")] = None,
    retries: Annotated[int | None, typer.Option(metavar="N", help="Number of retries after a failure.")] = None,
    timeout: Annotated[str | None, typer.Option(metavar="SPAN", help="How long one run may take.")] = None,
    expires: Annotated[str | None, typer.Option(metavar="SPAN", help="How late a job may start.")] = None,
    misfire: Annotated[
        str | None, typer.Option(metavar="coalesce|catch_up|skip", help="Missed ticks make one job, one each, or none.")
    ] = None,
    most: Annotated[int | None, typer.Option(metavar="N", help="With catch_up: at most so many jobs.")] = None,
    spacing: Annotated[str | None, typer.Option(metavar="SPAN", help="With catch_up: time between their starts.")] = None,
    window: Annotated[str | None, typer.Option(metavar="SPAN", help="Ticks that were missed before make no job.")] = None,
    overlap: Annotated[
        str | None, typer.Option(metavar="allow|skip|buffer_one", help="What a tick does while the job before goes on.")
    ] = None,
    jitter: Annotated[str | None, typer.Option(metavar="SPAN", help="Jobs start up to so much later.")] = None,
    starts_at: Annotated[str | None, typer.Option(metavar="TIME", help=f"No tick before this time, {TIME}")] = None,
    ends_at: Annotated[str | None, typer.Option(metavar="TIME", help=f"No tick after this time, {TIME}")] = None,
    reset: Annotated[list[str] | None, typer.Option(metavar="FIELD", help="Field that gets its default.")] = None,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Create or change a schedule; fields that are not given stay. Workers follow within a second."""
    spans = {"every": every, "spacing": spacing, "window": window, "jitter": jitter}
    times = {"starts_at": starts_at, "ends_at": ends_at}
    fields: dict[str, Any] = {"cron": cron or None, "timezone": timezone, "misfire": misfire, "most": most, "overlap": overlap}
    fields |= {field: read_span(field, text).total_seconds() for field, text in spans.items() if text is not None}
    fields |= {field: read_time(field, text) for field, text in times.items() if text is not None}
    job = {
        "task": task,
        "queue": queue,
        "priority": None if priority is None else priority_of(priority),
        "retries": retries,
        "timeout": None if timeout is None else interval(read_span("timeout", timeout)),
        "expires_after": None if expires is None else interval(read_span("expires", expires)),
    }
    members = [f'"{option}":{dumps(value)}' for option, value in job.items() if value is not None]
    members += [] if args is None else [f'"args":{args_of(args)}']
    changes = changes_json(name, fields, members, reset or ())
    with Session(database_url, schema) as database:
        did = database.run(calls.set_schedule(name, changes))
        row = _found(database, name)
        answer = answer_about(database, row)
    if as_json:
        print_json({"change": did} | row._asdict() | answer.as_json())
    else:
        say(f"{did} schedule {name}: {answer.words}{' (paused)' if row.paused_at else ''}")
        _print_answer(answer)


@schedules.command()
def pause(name: Name, database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False) -> None:
    """Stop making jobs. Jobs that were made already go on."""
    with Session(database_url, schema) as database:
        changed = database.run(calls.pause_schedule(name))
    print_json({"name": name, "changed": changed}) if as_json else say(f"{name} {'paused' if changed else 'was paused already'}")


@schedules.command()
def resume(name: Name, database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False) -> None:
    """Make jobs again, from the next tick on; the ticks of the pause make none, see backfill."""
    with Session(database_url, schema) as database:
        changed = database.run(calls.resume_schedule(name))
        row = _found(database, name)
        answer = answer_about(database, row)
    if as_json:
        print_json({"changed": changed} | row._asdict() | answer.as_json())
    else:
        say(f"{name} {'resumed' if changed else 'was not paused'}: {answer.words}")
        _print_answer(answer)


@schedules.command()
def trigger(name: Name, database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False) -> None:
    """Make a job now, also of a paused schedule. The next tick stays as it is."""
    with Session(database_url, schema) as database:
        id = database.run(calls.trigger_schedule(name))
    print_json({"id": id}) if as_json else say(f"job {id}")


@schedules.command()
def delete(name: Name, database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False) -> None:
    """Remove a schedule. One that code declares comes back when the next worker starts: pause it instead."""
    with Session(database_url, schema) as database:
        database.run(calls.delete_schedule(name))
    print_json({"name": name, "deleted": True}) if as_json else say(f"schedule {name} deleted")


@schedules.command()
def backfill(
    name: Name,
    since: Annotated[str, typer.Option(metavar="TIME", help=f"Ticks from this time on, {TIME}")],
    until: Annotated[str, typer.Option(metavar="TIME", help=f"Ticks before this time, {TIME}")],
    priority: Annotated[str | None, typer.Option(metavar="N", help="Priority of these jobs: -100 to 100.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Make the jobs of ticks in the past that have made none. Count them first: --dry-run."""
    start, end = read_time("since", since), read_time("until", until)
    check_range(start, end)
    number = None if priority is None else priority_of(priority)
    with Session(database_url, schema) as database:
        ticks = ticks_between(ticks_of(_found(database, name), None), start, end)
        made = sum(database.run(calls.backfill_schedule(name, some, dry_run, number)) for some in in_chunks(ticks))
    if as_json:
        print_json({"name": name, "since": start, "until": end, "jobs": made, "dry_run": dry_run})
    else:
        text = f"{made} {'job' if made == 1 else 'jobs'} for the ticks from {start.isoformat()} to {end.isoformat()}"
        say(f"would make {text}" if dry_run else f"made {text}")


@schedules.command()
def preview(
    what: Annotated[str, typer.Argument(metavar="NAME|EXPRESSION", help="Name of a schedule, or an expression: '0 2 * * *'.")],
    zone: Annotated[
        str | None, typer.Option("--zone", "--timezone", metavar="ZONE", help="Zone of an expression; UTC by default.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=1000, help="Number of ticks.")] = NEXT,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Show in words when a schedule or an expression fires, and its next ticks. An expression needs no database."""
    if is_name(what):
        if zone is not None:
            raise invalid("zone", zone, "it belongs to an expression; a schedule has a time zone")
        with Session(database_url, schema) as database:
            answer = answer_about(database, _found(database, what), count)
    else:
        answer = Answer(
            describe_schedule(read_fields("", {"cron": what, "timezone": zone})), next_ticks(ticks_of(what, zone), count, None)
        )
    if as_json:
        print_json(answer.as_json())
    else:
        say(answer.words)
        _print_answer(answer)


def _found(database: Session, name: str) -> ScheduleStatus:
    found = database.run(calls.schedule(name))
    if not found:
        raise unknown(name, database.run(calls.schedules()))
    return found[0]


def _print_answer(answer: Answer) -> None:
    say("next:" if answer.ticks else "there is no next tick")
    for line in answer.lines():
        say(line)


def _print_remarks(rows: list[ScheduleStatus]) -> None:
    """What needs attention, and when workers looked."""
    remarks = [f"{row.name}: {row.error}" for row in rows if row.error]
    if orphaned := [row.name for row in rows if row.is_orphaned]:
        remarks.append(f"no active worker declares {', '.join(orphaned)}; jobs are made until `pgqueue schedules delete NAME`")
    out = console()
    for remark in remarks:
        out.print(Text(safe(remark), "yellow"))
    if rows:
        looked_at = rows[0].looked_at
        out.print(
            f"a worker looked at {looked_at.astimezone():%Y-%m-%d %H:%M:%S}" if looked_at else "no worker has looked yet",
            style="dim",
        )
