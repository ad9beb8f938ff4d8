"""pgqueue pools: show pools, and change them at run time."""

from typing import Annotated

import typer

from ..control.pool_values import pool_values
from ..database.calls import pool_reads as reads
from ..database.calls import pool_verbs as verbs
from ..database.calls.pool_verbs import PoolValues
from ..errors import InvalidArgument
from .groups import Commands, refuse_options_before
from .options import AsJson, DatabaseUrl, Limit, Schema
from .output import print_counted, print_json, print_json_lines, print_table, say
from .pool_view import COLUMNS, EVENTS, SPARE, SPARE_EVENTS, found, read_change, read_rules, readable, readable_event, summary
from .session import Session
from .shape import tabular

Name = Annotated[str, typer.Argument(help="Name of the pool.")]
Queues = Annotated[
    str | None, typer.Option(metavar="LIST", help="Queues with weights: mail=3,default. 'all' for all queues of the app.")
]
Concurrency = Annotated[int | None, typer.Option(metavar="N", help="Jobs that each worker runs at once; 100 by default.")]
Wanted = Annotated[int | None, typer.Option(metavar="N", help="Workers that shall run; the minimum by default.")]
Minimum = Annotated[int | None, typer.Option(metavar="N", help="The fewest that may be wanted; 1 by default.")]
Maximum = Annotated[int | None, typer.Option(metavar="N", help="The most that may be wanted; 50 by default.")]
Unavailable = Annotated[int | None, typer.Option(metavar="N", help="Workers that a roll replaces at a time; 1 by default.")]
Rules = Annotated[
    list[str] | None, typer.Option("--rule", metavar="NAME=VALUE", help="Rule of the autoscaler: depth_up=200; may be repeated.")
]
Reason = Annotated[str | None, typer.Option(metavar="TEXT", help="Why, for the events of the pool and the audit log.")]


class _Commands(Commands):
    one = "one pool: pgqueue pool NAME"


pools = typer.Typer(name="pools", cls=_Commands, help="Show pools, and change them at run time.", no_args_is_help=False)


@pools.callback(invoke_without_command=True)
@tabular(COLUMNS)
def show_all(context: typer.Context, database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False) -> None:
    """Show every pool: the workers that are wanted and that run, the jobs that wait, its agents. Commands change them."""
    if context.invoked_subcommand is not None:
        refuse_options_before("pools", context.invoked_subcommand, database_url, schema, as_json)
        return
    with Session(database_url, schema) as database:
        rows = database.run(reads.pools())
    if as_json:
        print_json_lines(row._asdict() for row in rows)
        return
    print_table("pools", [readable(row) for row in rows], COLUMNS, wide=("queues",), spare=SPARE)
    print_counted([row._asdict() for row in rows])


@pools.command()
def make(
    name: Name,
    app: Annotated[str, typer.Argument(metavar="MODULE:APP", help="Location of the PgQueue object that its workers import.")],
    queues: Queues = None,
    concurrency: Concurrency = None,
    wanted: Wanted = None,
    minimum: Minimum = None,
    maximum: Maximum = None,
    max_unavailable: Unavailable = None,
    autoscale: Annotated[bool, typer.Option("--autoscale", help="Let the pool scale itself.")] = False,
    rule: Rules = None,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Make a pool. Its workers run where agents are: pgqueue agent NAME --slots K."""
    values = _values(app, queues, concurrency, wanted, minimum, maximum, max_unavailable)
    rules = read_rules(rule)
    with Session(database_url, schema) as database:
        database.run(verbs.make_pool(name, values, autoscale or None, rules))
        _show(database, name, as_json, f"pool {name} made")


@pools.command("set")
def set_(
    name: Name,
    app: Annotated[str | None, typer.Option(metavar="MODULE:APP", help="Location of the PgQueue object.")] = None,
    queues: Queues = None,
    concurrency: Concurrency = None,
    wanted: Wanted = None,
    minimum: Minimum = None,
    maximum: Maximum = None,
    max_unavailable: Unavailable = None,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Change a pool; what is not given stays. Another app, other queues or another concurrency replace its workers."""
    values = _values(app, queues, concurrency, wanted, minimum, maximum, max_unavailable)
    if values == PoolValues():
        raise InvalidArgument("values: give at least one option, such as --maximum 20")
    with Session(database_url, schema) as database:
        changed = database.run(verbs.set_pool(name, values))
        _show(database, name, as_json, f"pool {name} {'changed' if changed else 'unchanged'}")


@pools.command(context_settings={"ignore_unknown_options": True})  # -1 is no option
def scale(
    name: Name,
    to: Annotated[str, typer.Argument(metavar="N|+N|-N", help="Number of workers, or how many more or fewer: 5, +2, -1.")],
    reason: Reason = None,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Say how many workers of a pool shall run. Idle ones end first, others when their jobs are done."""
    wanted, change = read_change(to)
    with Session(database_url, schema) as database:
        now = database.run(verbs.scale_pool(name, wanted, change, reason))
        _show(database, name, as_json, f"pool {name}: {now} {'worker' if now == 1 else 'workers'} wanted")


@pools.command()
def autoscale(
    name: Name,
    on: Annotated[bool | None, typer.Option("--on/--off", help="Whether the pool scales itself.")] = None,
    rule: Rules = None,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Let a pool scale itself within its minimum and maximum, and change its rules; VALUE default is the default again."""
    rules = read_rules(rule)
    if on is None and rules is None:
        raise InvalidArgument("rule: give --on, --off, or at least one --rule, such as --rule depth_up=200")
    with Session(database_url, schema) as database:
        database.run(verbs.set_autoscale(name, on, rules))
        _show(database, name, as_json, f"pool {name}")


@pools.command()
def roll(
    name: Name,
    max_unavailable: Unavailable = None,
    reason: Reason = None,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Replace all workers of a pool, so that they run with new code; each ends when its jobs are done."""
    with Session(database_url, schema) as database:
        generation = database.run(verbs.roll_pool(name, max_unavailable, reason))
        _show(database, name, as_json, f"pool {name} rolls to generation {generation}")


@pools.command()
def pause(
    name: Name, reason: Reason = None, database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False
) -> None:
    """End all workers of a pool, each when its jobs are done, until it is resumed. How many are wanted is kept."""
    with Session(database_url, schema) as database:
        changed = database.run(verbs.pause_pool(name, reason))
    print_json({"name": name, "changed": changed}) if as_json else say(f"{name} {'paused' if changed else 'was paused already'}")


@pools.command()
def resume(name: Name, database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False) -> None:
    """Let the workers of a pool run again."""
    with Session(database_url, schema) as database:
        changed = database.run(verbs.resume_pool(name))
    print_json({"name": name, "changed": changed}) if as_json else say(f"{name} {'resumed' if changed else 'was not paused'}")


@pools.command()
def delete(
    name: Name,
    now: Annotated[bool, typer.Option("--now", help="Jobs have the grace of the agent, and are then given back.")] = False,
    reason: Reason = None,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """End all workers of a pool, each when its jobs are done, and remove it with the last of them."""
    with Session(database_url, schema) as database:
        is_gone = database.run(verbs.delete_pool(name, now, reason))
    if as_json:
        print_json({"name": name, "is_gone": is_gone})
    else:
        say(f"pool {name} deleted" if is_gone else f"pool {name} is being deleted: its agents end its workers")


@pools.command()
@tabular(EVENTS)
def events(
    name: Name, limit: Limit = 20, database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False
) -> None:
    """Show what was decided about a pool and what happened to it, the newest first; also of one that is gone."""
    with Session(database_url, schema) as database:
        rows = database.run(reads.pool_events(name, limit))
    if as_json:
        print_json_lines(row._asdict() for row in rows)
    else:
        print_table("events", [readable_event(row) for row in rows], EVENTS, wide=("reason", "figures"), spare=SPARE_EVENTS)


def _values(
    app: str | None,
    queues: str | None,
    concurrency: int | None,
    wanted: int | None,
    minimum: int | None,
    maximum: int | None,
    max_unavailable: int | None,
) -> PoolValues:
    named = None if queues is None else [] if queues == "all" else [queue.strip() for queue in queues.split(",")]
    numbers = {"concurrency": concurrency, "wanted": wanted, "minimum": minimum, "maximum": maximum}
    return pool_values(app, {"queues": named, "max_unavailable": max_unavailable, **numbers})


def _show(database: Session, name: str, as_json: bool, said: str) -> None:
    row = found(database, name)
    print_json(row._asdict()) if as_json else say(f"{said}: {summary(row)}")
