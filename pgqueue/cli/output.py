"""Printing: JSON for machines, plain tables for people; both without secrets."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from .._text import harmless, harmless_json, one_line
from ..errors import PgQueueError
from .failures import complain, exit_code
from .secrets import redactor, safe
from .shape import shape, shown_name
from .table import Column, Fact, Facts, TextTable, columns_kept, least_width

COLOURS = {
    "running": "cyan", "ready": "blue", "scheduled": "blue", "succeeded": "green", "failed": "red", "cancelled": "yellow",
    "blocked": "dim", "skipped": "yellow",
    "ACTIVE": "green", "IDLE": "blue", "PAUSED": "yellow", "DRAINING": "yellow", "DEAD": "red",
}  # fmt: skip
LEAST_WIDTH = 20  # columns of a terminal; fewer are no width but a program that does not know it
GOES_ON = ("reason", "message", "limit", "settings", "queues", "tasks")  # columns whose cells are worth another line
WITHOUT_END = 10_000_000  # columns
PIPED_WIDTH = 200  # columns if the output is not a terminal, and $COLUMNS does not say how many


class Screen(Console):
    """A console that shows nothing a terminal would obey, whoever has made the text; `safe` comes before, for the widths."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """The segments of anything, see Console; those that move the cursor of `pgqueue top` are marked as such."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else harmless(text), style, control)


def console() -> Console:
    """The console for people; as wide as $COLUMNS says, else as the terminal; wide if there is none; without end by --wide."""
    others = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    width = _told_width() or (None if sys.stdout.isatty() else PIPED_WIDTH)
    return Screen(width=WITHOUT_END if shape().wide else width, highlight=False, _environ=others)


def _told_width() -> int | None:
    """What $COLUMNS says; None if it says nothing that is a width."""
    columns = os.environ.get("COLUMNS", "")
    is_width = columns.isascii() and columns.isdecimal() and len(columns) < 6 and int(columns) >= LEAST_WIDTH
    return int(columns) if is_width else None


def say(text: str, to_stderr: bool = False) -> None:
    """Print one line for people."""
    typer.echo(one_line(text), err=to_stderr)


def say_wrapped(text: str | Text, style: str = "") -> None:
    """Print a sentence for people, between words in the lines of a terminal; in one line if there is none."""
    text = Text(text, style) if isinstance(text, str) else text
    console().print(text, soft_wrap=_told_width() is None and not sys.stdout.isatty())


def say_lines(text: str) -> None:
    """Print lines for people."""
    print(harmless(text))


def print_json(value: Any) -> None:
    """One JSON document in one line; times in ISO format, durations in seconds."""
    print(harmless_json(json.dumps(redactor().value(value), default=_plain, ensure_ascii=False)))


def print_json_lines(values: Iterable[Any]) -> None:
    """One JSON document in each line."""
    for value in values:
        print_json(value)


def print_table(
    title: str, rows: Sequence[dict[str, Any]], columns: Sequence[str], wide: Sequence[str] = (), spare: Sequence[str] = ()
) -> None:
    """Rows as a table in the width of the console, or as --wide and --columns say; "no <title>" when there are none.

    The command names the columns of its tables by `tabular`.

    Args:
        title: the name of the rows.
        rows: the rows by column name.
        columns: names in the order to show.
        wide: columns whose cells are cut first if there is too little room: arguments, notes, errors; no id, key, name or state.
        spare: columns that are left out one after the other if cutting is not enough. What is not among them is folded at last.
    """
    if not shape().chosen(columns):
        return
    out = console()
    for part in fitted(rows, columns, wide, spare, out.width) if rows else [f"no {title}"]:
        out.print(part)


def fitted(
    rows: Sequence[dict[str, Any]],
    columns: Sequence[str],
    wide: Sequence[str] = (),
    spare: Sequence[str] = (),
    width: int | None = None,
) -> Iterator[RenderableType]:
    """Rows as a table, and a line that says which columns found no room. Arguments as of `print_table`; width: of the console."""
    chosen = shape().chosen(columns)
    cells = {name: [shown(row[name]) for row in rows] for name in chosen}
    least = {name: least_width(_heading(name), its) for name, its in cells.items()}
    says = {name for name, its in cells.items() if any(cell.plain for cell in its)}
    going = sorted(spare, key=says.__contains__)  # what says nothing goes first
    kept = chosen if shape().columns else columns_kept(least, wide, going, width or console().width)
    numbers = {name: all(_is_number(row[name]) for row in rows) for name in kept}
    heads = [Column(_heading(name), numbers[name], name in wide, name in GOES_ON) for name in kept]
    yield TextTable(heads, list(zip(*(cells[name] for name in kept), strict=True)))
    if left_out := [shown_name(name) for name in chosen if name not in kept]:
        yield Text(f"no room for: {', '.join(left_out)}; see --wide or --columns", "dim")


def print_counted(rows: Sequence[dict[str, Any]]) -> None:
    """When the live jobs of these rows were counted, unless that was just now."""
    if times := [row["counted_at"] for row in rows if row["counted_at"] is not None]:
        console().print(f"live jobs as counted at {shown(min(times))} or later", style="dim")


def for_each(ids: list[int], act: Callable[[int], dict[str, Any]], said: Callable[[dict[str, Any]], str], as_json: bool) -> None:
    """Act on each id and print the result; a refusal does not stop the other ids.

    Raises:
        typer.Exit: always; the code is 0, or the code of the first refusal.
    """
    code = 0
    for id in ids:
        try:
            done = act(id)
        except PgQueueError as error:
            complain(error)
            code = code or exit_code(error)
        else:
            print_json(done) if as_json else say_lines(said(done))
    raise typer.Exit(code)


def print_facts(title: str, row: dict[str, Any], names: Sequence[str]) -> None:
    """One row as a list of its values."""
    if facts := facts_of(row, names):
        out = console()
        out.print(Text(safe(title), "bold"))
        out.print(facts)


def facts_of(row: dict[str, Any], names: Sequence[str]) -> Facts:
    """The values of one row, one for each line; None is omitted, and what --columns leaves out."""
    its = (name for name in shape().chosen(names) if row[name] is not None)
    return Facts([Fact(_heading(name), shown(row[name]), isinstance(row[name], dict | list)) for name in its])


def shown(value: Any) -> Text:
    """A value for people, in one line: local time, short durations, nothing for None; a Text is unchanged."""
    if isinstance(value, Text):
        return value
    style = COLOURS.get(value, "") if isinstance(value, str) else ""
    return Text(safe(_words(redactor().value(value))), style, no_wrap=True, overflow="ellipsis")


def shown_time(text: Any) -> str:
    """A time that is stored as ISO text, for people; what is none as it is: the row was written by hand."""
    try:
        return str(shown(datetime.fromisoformat(text)))
    except (TypeError, ValueError):
        return str(text)


def object_of(value: Any) -> dict[str, Any]:
    """A value that is an object in all rows but those that were written by hand."""
    return value if isinstance(value, dict) else {}


def no_worker(since: datetime) -> str:
    """The text for a job that waits although it is due."""
    return f"no worker for this task since {shown(since)}"


def _is_number(value: Any) -> bool:
    """Whether a value stands at the right of its column."""
    return value.justify == "right" if isinstance(value, Text) else isinstance(value, int | float | timedelta | None)


def _heading(name: str) -> str:
    return shown_name(name).replace("_", " ")


def _words(value: Any) -> str:
    match value:
        case None:
            return ""
        case datetime():
            return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        case timedelta():
            return str(timedelta(seconds=round(value.total_seconds())))
        case float():
            return _duration(value)
        case dict():
            return json.dumps(value, default=_plain, ensure_ascii=False)
        case list():
            return ", ".join(map(str, value))
        case _:
            return " ".join(str(value).split())


def _duration(seconds: float) -> str:
    """A duration as text. All fractions in our views are numbers of seconds."""
    seconds = float(f"{seconds:.3g}") if seconds < 1000 else seconds  # 999.7 ms is 1 s, not 1e+03 ms
    for unit, factor in (("s", 1), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{seconds * factor:,.3g} {unit}" if seconds < 1000 else f"{seconds:,.0f} s"
    return f"{seconds * 1e6:.3g} µs"


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case UUID():
            return str(value)
    raise TypeError(f"{type(value).__qualname__} is not JSON")
