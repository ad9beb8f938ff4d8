"""The page of `pgqueue top`, as lines that fit a terminal."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from rich.text import Text

from ..insight import short
from ..insight.snapshot import Snapshot
from ..insight.troubles import Trouble, troubles
from .output import COLOURS, shown
from .secrets import safe
from .top_table import NAME, QUEUES, TASKS, Column, Line, queue_lines, sorted_by, table, task_lines

TALL = 10_000  # lines of a page that is not cut
A_DAY = timedelta(days=1)  # for which lost workers are kept
MOST_TROUBLES = 5  # lines, on a terminal


@dataclass
class View:
    """What a page shows.

    Attributes:
        of_tasks: tasks in place of queues.
        keys: what each table is sorted by: the key of a column.
    """

    of_tasks: bool = False
    keys: dict[bool, str] = field(default_factory=lambda: {False: "r", True: "d"})

    @property
    def columns(self) -> Sequence[Column]:
        """The columns of the table."""
        return TASKS if self.of_tasks else QUEUES

    @property
    def by(self) -> Column:
        """The column by which the table is sorted."""
        return next((column for column in self.columns if column.key == self.keys[self.of_tasks]), NAME)

    def press(self, key: str) -> None:
        """What a key changes."""
        if key == "t":
            self.of_tasks = not self.of_tasks
        elif key and key in {NAME.key, *(column.key for column in self.columns)}:
            self.keys[self.of_tasks] = key


def page(now: Snapshot, view: View, width: int, height: int = TALL, note: Text | None = None) -> list[Text]:
    """The lines of a page.

    Args:
        now: what it shows.
        view: how.
        width, height: of the terminal.
        note: stands in the first line: how old this is.
    """
    lines = [_title(now, note), *_summary(now), *_troubles(troubles(now, lambda at: str(shown(at))), height), Text()]
    is_live = height < TALL
    workers = _workers(now, width, max(2, min(len(now.alive()) + 1, (height - len(lines)) // 3)))
    left = height - len(lines) - len(workers) - is_live
    lines += _table(now, view, width, left)
    lines += workers
    if is_live:
        lines = [*lines[: height - 1], *(Text() for _ in range(height - 1 - len(lines))), _keys(view)]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines


def _title(now: Snapshot, note: Text | None) -> Text:
    title = Text("pgqueue top", "bold")
    title.append(f"  {shown(now.at)}  ", "not bold")
    return title.append_text(note or Text())


def _summary(now: Snapshot) -> list[Text]:
    rates = now.metrics
    alive = now.alive()
    busy = sum(worker["running"] > 0 for worker in alive)
    slots, running = sum(worker["concurrency"] for worker in alive), sum(worker["running"] for worker in alive)
    used = f"{100 * running / slots:.0f} % of " if slots else ""
    states = "  ".join(f"{now.total(state):,} {state}" for state in ("ready", "running", "scheduled", "blocked"))
    done = short.rate(rates.all.completed_per_second) or "0"
    added = short.rate(rates.all.enqueued_per_second) or "0"
    until = str(shown(rates.until))[-8:]
    return [
        Text(f"jobs     {states}"),
        Text(f"workers  {busy} active  {len(alive) - busy} idle  {len(now.dead(A_DAY))} dead   {used}{slots:,} slots"),
        Text(f"{short.span(rates.until - rates.since)} to {until}  {added}/s in  {done}/s done  {_percentiles(now)}"),
    ]


def _percentiles(now: Snapshot) -> str:
    figures = now.metrics.all
    if figures.duration_p95_ms is None:
        return ""
    return f"p95 {short.milliseconds(figures.duration_p95_ms)}, of waits {short.milliseconds(figures.wait_p95_ms)}"


def _troubles(found: list[Trouble], height: int) -> list[Text]:
    most = MOST_TROUBLES if height < TALL else TALL
    colours = {"error": "bold red", "warning": "yellow"}
    lines = [Text(safe(f"! {one.line}"), colours[one.severity]) for one in found[:most]]
    if len(found) > most:
        lines.append(Text(f"! {len(found) - most} more", "yellow"))
    return lines or [Text("nothing is wrong", "green")]


def _table(now: Snapshot, view: View, width: int, height: int) -> list[Text]:
    lines: list[Line] = task_lines(now) if view.of_tasks else queue_lines(now)
    kind = "task" if view.of_tasks else "queue"
    if not lines:
        return [Text(f"no {kind}s", "dim"), Text()][: max(height, 0)]
    return [*table(sorted_by(lines, view.by), view.columns, view.by, kind, width, height - 1), Text()]


def _workers(now: Snapshot, width: int, height: int) -> list[Text]:
    alive = now.alive()
    if not alive:
        return [Text("no worker runs", "dim")]
    named = min(max(len(safe(worker["name"])) for worker in alive), max(width - 60, 12))
    lines = [Text(f"{'worker'.ljust(named)} status   running slots   done failed beat   queues", "bold")]
    shown_workers = alive if len(alive) < height else alive[: max(height - 2, 0)]
    for worker in shown_workers:
        line = Text(safe(worker["name"])[:named].ljust(named))
        line.append(f" {worker['status'].lower():<8}", COLOURS.get(worker["status"], ""))
        beat = short.age(now.at - worker["heartbeat_at"])
        runs = f"{short.count(worker['done']):>6} {short.count(worker['failed']):>6}"
        line.append(f" {worker['running']:>7} {worker['concurrency']:>5} {runs} {beat:<6} {safe(', '.join(worker['queues']))}")
        lines.append(line)
    if len(shown_workers) < len(alive):
        lines.append(Text(f"… {len(alive) - len(shown_workers)} more", "dim"))
    return lines


def _keys(view: View) -> Text:
    columns = [NAME, *(column for column in view.columns if column.key)]
    line = Text(f"q quit t {'queues' if view.of_tasks else 'tasks'}  sort", "dim")
    for column in columns:
        line.append(f" {column.key}", "bold not dim")
        line.append(f" {column.heading.partition('/')[0] or 'name'}", "underline not dim" if column is view.by else "")
    return line
