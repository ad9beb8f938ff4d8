"""pgqueue stacks: what a worker does just now."""

import time
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from ..database.calls import workers as calls
from ..errors import InvalidArgument, JobNotFound, WrongState
from .options import AsJson, DatabaseUrl, Schema
from .output import print_json, say, say_lines
from .secrets import safe_lines
from .session import Session

LOOK_EVERY = 0.2  # seconds


def stacks(
    which: Annotated[str, typer.Argument(metavar="WHICH", help="Id of a running job, or name or id of a worker.")],
    wait: Annotated[float, typer.Option(metavar="SECONDS", min=0, max=3600, help="How long to wait for the answer.")] = 30,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Show what a worker does just now: its threads, asyncio tasks and processes, with their jobs; files and lines, never values.

    It answers although its event loop is blocked. Exit code 1 if it does not answer in time, 3 if there is no such worker.
    """
    with Session(database_url, schema) as database:
        worker = worker_of(database, which)
        asked_at = database.run(calls.ask_stacks(worker))
        row = _answered(database, worker, asked_at, wait)
    if as_json:
        print_json(row)
    else:
        _print(row["stacks"])


def worker_of(database: Session, which: str) -> UUID:
    """The worker that is meant: by its name, its id, or a job that it runs.

    Raises:
        JobNotFound: there is none.
        InvalidArgument: several have this name.
    """
    if which.isascii() and which.isdecimal() and len(which) < 19:
        worker = database.run(calls.worker_of_job(int(which)))
        if worker is None:
            raise JobNotFound(f"job {which} does not run; pgqueue explain {which} says why")
        return worker
    found = database.run(calls.workers_named(which))
    if not found:
        raise JobNotFound(f"there is no living worker {which!r}; pgqueue workers lists them")
    if len(found) > 1:
        raise InvalidArgument(f"which: {len(found)} workers have the name {which!r}; give the id of one of them")
    return found[0]


def _answered(database: Session, worker: UUID, asked_at: datetime, wait: float) -> dict[str, Any]:
    deadline = time.monotonic() + wait
    while True:
        for row in database.run(calls.stacks_of(worker)):
            if row["answered_at"] is not None and row["answered_at"] >= asked_at:
                return row
        if time.monotonic() >= deadline:
            late = f"worker {worker} has not answered within {wait:g} s"
            raise WrongState(f"{late}; on its machine kill -USR1 makes it write them to its stderr")
        time.sleep(min(LOOK_EVERY, max(0.0, deadline - time.monotonic())))


def _print(stacks: dict[str, Any]) -> None:
    blocked = stacks["blocked_for"]
    said = f"; its event loop has been blocked for {blocked:.1f} s" if blocked >= 1 else ""
    say(f"process {stacks['pid']}, Python {stacks['python']}{said}")
    if "problem" in stacks:
        say(stacks["problem"])
    for group in stacks.get("threads", ()):
        _print_group("thread", group)
    for process in stacks.get("processes", ()):
        say(f"process {process['pid']} runs job {process['job']}" + (f": {process['problem']}" if "problem" in process else ""))
        for group in process.get("threads", ()):
            _print_group("thread", group)
    for group in stacks.get("tasks", ()):
        _print_group("task", group)
    if stacks.get("left_out"):
        say(f"{stacks['left_out']} more found no room")


def _print_group(kind: str, group: dict[str, Any]) -> None:
    many = f" and {group['count'] - 1:,} more" if group["count"] > 1 else ""
    jobs = f", job {', '.join(group['jobs'])}" if group["jobs"] else ""
    lines = [f"\n{kind} {group['names'][0]}{many}{jobs}"]
    for frame in group["frames"]:
        lines.append(f'  File "{frame["file"]}", line {frame["line"]}, in {frame["function"]}')
        lines += [f"    {frame['code']}"] if frame["code"] else []
    say_lines(safe_lines("\n".join(lines)))
