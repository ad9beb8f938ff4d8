"""pgqueue top: a page that shows what goes on, again and again."""

import signal
from dataclasses import asdict
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Group
from rich.live import Live
from rich.text import Text

from .._checks import invalid
from ..control.metrics import metrics_of
from ..database.backoff import first_line
from ..insight import short
from ..insight.snapshot import Observer, Snapshot
from ..insight.troubles import troubles
from ..insight.watcher import Seen, Watcher
from .keys import Keys, is_there
from .metrics import Scope, Window, document
from .options import AsJson, DatabaseUrl, Schema
from .output import Screen, console, print_json, shown
from .secrets import safe
from .session import Session
from .times import read_span
from .top_page import View, page

SHORTEST = 0.5  # seconds from one look to the next
REDRAW = 0.5  # seconds until the age of the figures is written again


def top(
    by: Annotated[Scope, typer.Option(metavar="WHAT", help="A line for each queue, or for each task.")] = Scope.queue,
    every: Annotated[
        str, typer.Option(metavar="SPAN", help="How often to look: 1s, 10s; less often if a look takes long.")
    ] = "2s",
    window: Window = "1m",
    once: Annotated[bool, typer.Option("--once", help="Print one page and end, as without a terminal.")] = False,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Watch queues, rates, latency, workers and what is wrong. Keys sort the table, t shows tasks, q quits.

    Depths and workers are of this moment; rates and percentiles are of the last closed minute, or of --window.
    """
    seconds = read_span("every", every).total_seconds()
    if seconds < SHORTEST:
        raise invalid("every", every, f"use {SHORTEST} s or more")
    call = metrics_of(read_span("window", window))
    view = View(of_tasks=by is Scope.task)
    with Session(database_url, schema) as database:
        look = Observer(database, lambda: call).look
        if as_json:
            print_json(_document(look()))
        elif once or not is_there():
            out = console()
            for line in page(look(), view, out.width):
                out.print(line, soft_wrap=True)
        else:
            _show(Watcher(look, seconds), view)


def _show(watcher: Watcher, view: View) -> None:
    """Show the page until q or Ctrl-C."""
    out = Screen(highlight=False)
    before = signal.signal(signal.SIGTERM, _end)
    try:
        with Keys() as keys, Live(console=out, screen=True, auto_refresh=False) as live:
            key = ""
            while key != "q":
                view.press(key)
                seen = watcher.seen
                lines = page(seen.snapshot, view, out.width, out.height, note_on(seen))
                live.update(Group(*lines), refresh=True)
                key = keys.get(REDRAW)
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)
        watcher.stop()


def note_on(seen: Seen) -> Text:
    """How old a page is, and why."""
    if seen.error is not None:
        return Text(f"{short.age(seen.age)} old: {safe(first_line(seen.error))}", "bold red")
    if seen.is_late:
        return Text(f"{short.age(seen.age)} old: the server does not answer", "bold red")
    return Text(f"every {short.span(seen.every)}", "dim")


def _end(number: int, _: Any) -> NoReturn:
    """So that the terminal is as before when the process is ended."""
    raise SystemExit(128 + number)


def _document(now: Snapshot) -> dict[str, Any]:
    return {
        "at": now.at,
        "wrong": [asdict(trouble) for trouble in troubles(now, lambda at: str(shown(at)))],
        "queues": now.queues,
        "workers": now.workers,
        "pauses": [pause._asdict() for pause in now.pauses],
        "metrics": document(now.metrics),
    }
