"""The stacks of a worker for a page: its own frames apart from those of libraries, the job that is asked for in front."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

# Python, what is installed, and pgqueue itself; all other files are of the application.
_LIBRARY = re.compile(
    r"[/\\](site-packages|dist-packages|lib[/\\]python[\d.]+)[/\\]|^<frozen "
    r"|[/\\]pgqueue[/\\]((executor|context|lifespan)\.py$|(worker|database|workflow|steps|waiting|logs|tracing)[/\\])"
)


@dataclass(frozen=True, slots=True)
class Run:
    """Frames that stand one after the other: all of the application, or all of libraries."""

    is_own: bool
    frames: list[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Shown:
    """Threads, tasks or a process, as a page shows them.

    Attributes:
        kind: thread, task or process.
        name: the first of them.
        count: how many they are.
        jobs: that they run.
        runs: where they stand, the innermost last.
        is_open: whether it is shown unfolded.
        problem: why there are no frames.
    """

    kind: str
    name: str
    count: int
    jobs: list[str]
    runs: list[Run]
    is_open: bool
    problem: str | None = None


def groups_of(stacks: Mapping[str, Any], job: str | None) -> list[Shown]:
    """What a worker has answered: what runs jobs in front, and before all the job that is asked for."""
    found = [_shown("thread", group, job) for group in stacks["threads"]]
    for process in stacks["processes"]:
        found += _of_process(process, job)
    found += [_shown("task", group, job) for group in stacks["tasks"]]
    return sorted(found, key=lambda one: (job not in one.jobs, not one.jobs, one.kind == "task"))


def _of_process(process: Mapping[str, Any], job: str | None) -> list[Shown]:
    jobs, name = [process["job"]], f"{process['pid']}"
    if process["threads"] is None:
        return [Shown("process", name, 1, jobs, [], True, process["problem"])]
    named = [{**group, "names": [f"{name}, {group['names'][0]}"], "jobs": jobs} for group in process["threads"]]
    return [_shown("process", group, job) for group in named]


def _shown(kind: str, group: Mapping[str, Any], job: str | None) -> Shown:
    runs = [Run(is_own, list(frames)) for is_own, frames in groupby(group["frames"], is_own_frame)]
    is_open = job in group["jobs"] if job is not None else bool(group["jobs"])
    return Shown(kind, group["names"][0], group["count"], group["jobs"], runs, is_open)


def is_own_frame(frame: Mapping[str, Any]) -> bool:
    """Whether a frame is of the application."""
    return _LIBRARY.search(frame["file"]) is None


def text_of(groups: Sequence[Shown]) -> str:
    """All of it as text, to be copied into a report."""
    return "\n\n".join("\n".join(_lines(group)) for group in groups)


def _lines(group: Shown) -> list[str]:
    jobs = f", job {', '.join(group.jobs)}" if group.jobs else ""
    lines = [f"{group.kind} {group.name}{f' and {group.count - 1} more' if group.count > 1 else ''}{jobs}"]
    lines += [group.problem] if group.problem else []
    for frame in (frame for run in group.runs for frame in run.frames):
        lines.append(f'  File "{frame["file"]}", line {frame["line"]}, in {frame["function"]}')
        lines += [f"    {frame['code']}"] if frame["code"] else []
    return lines
