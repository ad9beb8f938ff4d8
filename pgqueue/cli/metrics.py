"""pgqueue metrics: what happened lately, and how fast."""

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

import typer

from ..control.metrics import metrics_of, series_of
from ..database.calls.metrics import Metrics
from ..errors import InvalidArgument
from .metric_view import QUEUES, SERIES, TASKS, print_figures, print_series
from .options import AsJson, DatabaseUrl, Schema
from .output import print_json, print_json_lines
from .session import Session
from .shape import tabular
from .times import read_span, read_time, read_when


class Scope(StrEnum):
    """What figures are about."""

    queue = "queue"
    task = "task"


Window = Annotated[str, typer.Option(metavar="SPAN", help="How long, up to the end of the last closed minute: 5m, 1h, 7d.")]


@tabular(QUEUES, TASKS, SERIES)
def metrics(
    ctx: typer.Context,
    window: Window = "5m",
    by: Annotated[Scope | None, typer.Option(metavar="WHAT", help="Only a table by queue, or by task.")] = None,
    series: Annotated[bool, typer.Option("--series", help="A line for each step of time instead.")] = False,
    step: Annotated[str, typer.Option(metavar="SPAN", help="Of --series: how long a step is: 1m, 1h, 1d.")] = "1m",
    since: Annotated[
        str, typer.Option(metavar="TIME", help="Of --series: its beginning: 2h means two hours ago; or a time.")
    ] = "1h",
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Of --series: its end, a time; the last closed minute by default.")
    ] = None,
    queue: Annotated[str | None, typer.Option(metavar="NAME", help="Of --series: only jobs of this queue.")] = None,
    task: Annotated[str | None, typer.Option(metavar="NAME", help="Of --series: only jobs of this task.")] = None,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Show rates, outcomes, durations and waits of the last minutes: of all jobs, by queue and by task."""
    _refuse_others(ctx, series)
    if series:
        end = None if until is None else read_time("until", until)
        call = series_of(read_span("step", step), read_when("since", since), end, queue, task)
        with Session(database_url, schema) as database:
            steps = database.run(call)
        print_json_lines(map(asdict, steps)) if as_json else print_series(steps)
        return
    with Session(database_url, schema) as database:
        figures = database.run(metrics_of(read_span("window", window)))
    if not as_json:
        print_figures(figures, by)
    elif by is None:
        print_json(document(figures))
    else:
        print_json_lines(document(figures)[f"{by}s"])


def _refuse_others(ctx: typer.Context, series: bool) -> None:
    """Refuse the options of the other form of the command, which would change nothing."""
    others = ("window", "by") if series else ("step", "since", "until", "queue", "task")
    sources = {name: ctx.get_parameter_source(name) for name in others}
    if given := [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]:
        remedy = (
            "with --series use --since and --until, --queue and --task"
            if series
            else "without --series use --window, --by queue and --by task"
        )
        raise InvalidArgument(f"{', '.join(given)}: not used here; {remedy}")


def document(figures: Metrics) -> dict[str, Any]:
    """Figures for machines: queues and tasks as lists."""
    found = asdict(figures)
    return found | {"queues": list(found["queues"].values()), "tasks": list(found["tasks"].values())}
