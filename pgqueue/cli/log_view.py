"""The log of a job, and following it."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from rich.text import Text

from .._text import in_lines
from ..job import Job
from ..watching.line import LogLine
from ..watching.watch import JobChange
from .output import console, print_json, say_wrapped, shown
from .secrets import redactor, safe

COLOURS = {"debug": "dim", "warning": "yellow", "error": "red", "critical": "bold red"}


def print_logs(job: Job[Any], follow: bool, as_json: bool) -> None:
    """Print what the handler of a job has said.

    Args:
        job: the job.
        follow: go on with new lines, states and progress until the job is over.
        as_json: one JSON document in each line: a line, or with `follow` a change.
    """
    if as_json:
        for one in job.watch() if follow else job.logs():
            print_json(asdict(one))
        return
    out, before = console(), 0
    for change in job.watch() if follow else _as_changes(job.logs()):
        if change.line is None:
            out.print(Text(_told(change), "bold"))
        else:
            _print_line(change.line, before)
            before = change.line.seq
    if not before:
        out.print(f"no log of job {job.id}")


def _as_changes(lines: Iterable[LogLine]) -> Iterator[JobChange]:
    return (JobChange("log", "", 0, None, None, line) for line in lines)


def _told(change: JobChange) -> str:
    if change.kind == "progress" and change.progress is not None:
        told = change.progress
        total = "" if told["total"] is None else f" of {told['total']:g}"
        note = "" if told["note"] is None else f": {told['note']}"
        return safe(f"progress {told['done']:g}{total}{note}")
    attempt = f", attempt {change.attempt}" if change.state == "running" else ""
    return safe(change.state + attempt + (f" ({change.reason})" if change.reason else ""))


def _print_line(line: LogLine, before: int) -> None:
    if left_out := line.seq - before - 1:
        say_wrapped(Text(f"… {left_out:,} lines are not kept", "dim"))
    fields = " ".join(f"{name}={value}" for name, value in redactor().value(line.fields).items())
    text = Text(f"{shown(line.at)} {line.level:<8} ", COLOURS.get(line.level, ""))
    text.append(in_lines(redactor().text(line.message)))
    text.append(safe(f"  {fields}" if fields else ""), "dim")
    say_wrapped(text)
