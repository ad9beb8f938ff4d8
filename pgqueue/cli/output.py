"""Printing: JSON for machines, plain tables for people; both without secrets."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from .._text import harmless, harmless_json, one_line
from ..errors import PgQueueError
from .failures import complain, exit_code
from .secrets import redactor, safe
from .table import Column, TextTable

COLOURS = {
    "running": "cyan", "ready": "blue", "scheduled": "blue", "succeeded": "green", "failed": "red", "cancelled": "yellow",
    "blocked": "dim", "skipped": "yellow",
    "ACTIVE": "green", "IDLE": "blue", "PAUSED": "yellow", "DRAINING": "yellow", "DEAD": "red",
}  # fmt: skip
GOES_ON = ("reason",)  # columns whose cells are worth another line
WIDE = 20  # columns of the terminal that a column which may be cut keeps
PIPED_WIDTH = 200  # columns if the output is not a terminal


class Screen(Console):
    """A console that shows nothing a terminal would obey, whoever has made the text; `safe` comes before, for the widths."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """The segments of anything, see Console; those that move the cursor of `pgqueue top` are marked as such."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else harmless(text), style, control)


def console() -> Console:
    """The console for people; wide if the output is not a terminal."""
    return Screen(width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False)


def say(text: str, to_stderr: bool = False) -> None:
    """Print one line for people."""
    typer.echo(one_line(text), err=to_stderr)


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
    """Rows as a table, see `to_table`; "no <title>" when there are none.

    Args:
        title: the name of the rows.
        rows: the rows by column name.
        columns: names in the order to show.
        wide: columns that may be cut if there is too little room.
        spare: columns that are omitted one after the other if cutting is not enough.
    """
    out = console()
    if not rows:
        out.print(f"no {title}")
        return
    left_out: list[str] = []
    for name in spare:
        if _needs(rows, [column for column in columns if column not in left_out], wide) <= out.width:
            break
        left_out.append(name)
    out.print(to_table(rows, [column for column in columns if column not in left_out], wide))
    if left_out:
        out.print(f"no room for: {', '.join(map(_heading, left_out))} (see --json)", style="dim")


def print_counted(rows: Sequence[dict[str, Any]]) -> None:
    """When the live jobs of these rows were counted, unless that was just now."""
    if times := [row["counted_at"] for row in rows if row["counted_at"] is not None]:
        console().print(f"live jobs as counted at {shown(min(times))} or later", style="dim")


def _needs(rows: Sequence[dict[str, Any]], columns: Sequence[str], wide: Sequence[str]) -> int:
    """The least number of columns of a terminal that a table needs."""
    needed = 3 * len(columns) + 1
    for name in columns:
        width = max(len(_heading(name)), *(shown(row[name]).cell_len for row in rows))
        needed += min(width, WIDE) if name in wide else width
    return needed


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
    out = console()
    out.print(Text(safe(title), "bold"))
    out.print(facts_of(row, names))


def facts_of(row: dict[str, Any], names: Sequence[str]) -> Table:
    """The values of one row, one line for each; None is omitted."""
    facts = Table.grid(padding=(0, 2))
    for name in names:
        if row[name] is not None:
            facts.add_row(_heading(name), shown(row[name]))
    return facts


def to_table(rows: Sequence[dict[str, Any]], columns: Sequence[str], wide: Sequence[str] = ()) -> TextTable:
    """Rows as a table.

    Args:
        rows: the rows by column name.
        columns: names in the order to show; underscores become spaces.
        wide: columns that may be cut if there is too little room.
    """
    numbers = {name: all(_is_number(row[name]) for row in rows) for name in columns}
    heads = [Column(_heading(name), numbers[name], name in wide, name in GOES_ON) for name in columns]
    return TextTable(heads, [[shown(row[name]) for name in columns] for row in rows])


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
    return name.removesuffix("_seconds").replace("_", " ")


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
