"""pgqueue pause, resume, drain."""

from time import sleep
from typing import Annotated

import typer

from ..control.drain import Drain
from ..control.queues import pausing, subject_of
from ..database.calls import queues as calls
from ..errors import InvalidArgument
from .options import AsJson, DatabaseUrl, Schema
from .output import print_json, print_json_lines, say
from .pause_view import print_pauses
from .session import Session
from .times import read_span, read_time
from .who import By, who

Queue = Annotated[str | None, typer.Argument(metavar="QUEUE", help="Name of the queue.")]
OfTask = Annotated[str | None, typer.Option("--task", metavar="NAME", help="A task in place of a queue.")]
Everything = Annotated[bool, typer.Option("--everything", help="All queues.")]
Reason = Annotated[str | None, typer.Option(metavar="TEXT", help="Why, for people.")]
Name = Annotated[str, typer.Argument(metavar="QUEUE", help="Name of the queue.")]


def pause(
    queue: Queue = None,
    task: OfTask = None,
    everything: Everything = False,
    span: Annotated[str | None, typer.Option("--for", metavar="SPAN", help="Duration: 30s, 5m, 2h, 1d, or seconds.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="End time in ISO format; local time without a zone.")] = None,
    reason: Reason = None,
    by: By = None,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Let no job of a queue, of a task or of everything start. Jobs that run go on; so do enqueues and schedules."""
    if span is not None and until is not None:
        raise InvalidArgument("until: give either --until or --for")
    end = read_span("for", span) if span is not None else None if until is None else read_time("until", until)
    subject = subject_of(queue, task, everything)
    with Session(database_url, schema) as database:
        database.run(pausing(subject, end, reason, who(by)))
        found = [one for one in database.run(calls.pauses()) if (one.kind, one.name) == (subject[0], subject[1] or "")]
    if as_json:
        print_json_lines(one._asdict() for one in found)
    else:
        print_pauses(found)


def resume(
    queue: Queue = None,
    task: OfTask = None,
    everything: Everything = False,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """End a pause."""
    kind, name = subject_of(queue, task, everything)
    with Session(database_url, schema) as database:
        was_paused = database.run(calls.resume(kind, name))
        others = database.run(calls.pauses_of(name or "", ""))
    if as_json:
        print_json({"kind": kind, "name": name or "", "was_paused": was_paused})
        return
    subject = f"{kind} {name or ''}".rstrip()
    say(f"{subject} {'resumed' if was_paused else 'was not paused'}")
    print_pauses([one for one in others if kind != "everything"])


def drain(
    queue: Name,
    timeout: Annotated[str | None, typer.Option(metavar="SPAN", help="How long to wait; without limit by default.")] = None,
    reason: Reason = "drain",
    by: By = None,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Pause a queue and wait until none of its jobs runs. It stays paused. Exit code 1 if jobs still run after the timeout."""
    seconds = None if timeout is None else read_span("timeout", timeout).total_seconds()
    with Session(database_url, schema) as database:
        database.run(pausing(("queue", queue), None, reason, who(by)))
        wait = Drain(queue, seconds)
        while (moment := wait.look(database.run(wait.call()))) is not None:
            sleep(moment)
    if as_json:
        print_json({"queue": queue, "running": 0})
    else:
        say(f"queue {queue} is paused, and none of its jobs runs")
