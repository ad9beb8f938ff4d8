"""The tables of `pgqueue top`: a line for each queue or task, sorted by a column."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from ..database.calls.metrics import Figures
from ..insight import short
from ..insight.snapshot import Snapshot
from .secrets import safe

Line = dict[str, Any]  # the values of a line by the name of the column
LEAST_NAME = 12  # characters that the name of a queue keeps


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        name: of the value.
        heading: what stands above it.
        key: sorts by it.
        shown: the value as text.
        width: of the text.
        spare: the terminal must have so many columns.
    """

    name: str
    heading: str
    key: str
    shown: Callable[[Any], str]
    width: int = 6
    spare: int = 0


NAME = Column("name", "", "n", str)
_RATES = (
    Column("done", "done/s", "d", short.rate),
    Column("failed", "failed", "f", short.count),
    Column("p50", "p50", "", short.milliseconds, spare=90),
    Column("p95", "p95", "p", short.milliseconds),
    Column("p99", "p99", "", short.milliseconds, spare=97),
    Column("wait", "wait95", "w", short.milliseconds),
)
QUEUES = (
    Column("ready", "ready", "r", short.count),
    Column("running", "run", "", short.count, spare=70),
    Column("oldest", "oldest", "o", short.age),
    Column("enqueued", "in/s", "i", short.rate, spare=76),
    *_RATES[:-1],
    replace(_RATES[-1], spare=76),
    Column("workers", "workers", "", str, 7),
)
TASKS = (
    Column("succeeded", "succ.", "s", short.count),
    *_RATES,
    Column("errors", "errors", "e", short.count),
)


def queue_lines(now: Snapshot) -> list[Line]:
    """A line for each queue that has jobs, workers, settings or a pause, or had jobs lately."""
    live = {queue["name"]: queue for queue in now.queues}
    return [
        {"name": name, **_of_queue(live.get(name, {})), **_rates(now.metrics.queues.get(name))}
        for name in sorted(live.keys() | now.metrics.queues.keys())
    ]


def task_lines(now: Snapshot) -> list[Line]:
    """A line for each task that ended lately."""
    return [
        {"name": name, "succeeded": task.succeeded, "errors": task.failed_attempts or None, **_rates(task)}
        for name, task in sorted(now.metrics.tasks.items())
    ]


def _of_queue(queue: Line) -> Line:
    is_paused = queue.get("paused_at") is not None
    workers = "paused" if is_paused else str(queue.get("workers", 0))
    is_stuck = bool(queue.get("ready")) and (is_paused or not queue["workers"])
    return {
        "ready": queue.get("ready", 0),
        "running": queue.get("running", 0),
        "oldest": queue.get("oldest"),
        "workers": workers,
        "style": "yellow" if is_paused else "red" if is_stuck else "",
    }


def _rates(figures: Figures | None) -> Line:
    if figures is None:
        return dict.fromkeys(("enqueued", "done", "failed", "p50", "p95", "p99", "wait"))
    return {
        "enqueued": figures.enqueued_per_second,
        "done": figures.completed_per_second,
        "failed": figures.failed or None,
        "p50": figures.duration_p50_ms,
        "p95": figures.duration_p95_ms,
        "p99": figures.duration_p99_ms,
        "wait": figures.wait_p95_ms,
    }


def sorted_by(lines: list[Line], column: Column) -> list[Line]:
    """The largest first; by name where they are the same."""
    return lines if column is NAME else sorted(lines, key=lambda line: -_number(line[column.name]))


def _number(value: Any) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else float(value or 0)


def table(lines: list[Line], columns: Sequence[Column], by: Column, title: str, width: int, height: int) -> list[Text]:
    """Lines with a heading, in so many lines of a terminal; the last one says how many did not fit."""
    columns = [column for column in columns if width >= column.spare]
    longest = max((cell_len(safe(line["name"])) for line in lines), default=0)
    room = width - sum(column.width + 1 for column in columns)
    named = max(min(longest, room), min(LEAST_NAME, room))
    heading = Text(set_cell_size(title, named), "bold underline" if by is NAME else "bold")
    for column in columns:
        heading.append(" ")
        heading.append(column.heading.rjust(column.width), "underline" if column is by else "")
    shown = lines if len(lines) < height else lines[: max(height - 2, 0)]
    page = [heading, *(_line(line, columns, named) for line in shown)]
    if len(shown) < len(lines):
        page.append(Text(f"… {len(lines) - len(shown)} more", "dim"))
    return page[:height]


def _line(line: Line, columns: Sequence[Column], named: int) -> Text:
    name = safe(line["name"])
    name = set_cell_size(name, named) if cell_len(name) <= named else set_cell_size(name, named - 1) + "…"
    text = Text(name, line.get("style", ""))
    for column in columns:
        style = "red" if column.name in ("failed", "errors") else ""
        text.append(f" {column.shown(line[column.name]).rjust(column.width)}", style)
    return text
