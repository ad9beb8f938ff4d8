"""pgqueue job."""

from dataclasses import asdict
from textwrap import indent
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from ..app import PgQueue
from ..control.filters import filter_json
from ..database.calls import dead as dead_calls
from ..database.calls import explain as explain_calls
from ..database.calls import manage as manage_calls
from ..database.calls import queues as queue_calls
from ..database.calls import reads
from ..database.calls import results as result_calls
from ..database.calls.explain import Cause
from ..errors import JobNotFound
from .control_view import control_lines
from .log_view import print_logs
from .options import AsJson, DatabaseUrl, Schema
from .output import console, facts_of, for_each, object_of, print_json, print_table
from .secrets import safe, safe_lines
from .session import Session
from .shape import shape, tabular
from .steps import SIGNALS, STEPS, print_remembered, remembered
from .who import who

WAITING = ("blocked", "scheduled", "ready")
SHOWN_APART = {"id", "max_attempts", "errors", "control"}
BESIDE = ("result", "result_expires_at", "fingerprint", "request_id", "trace_id")  # no columns of the view
ATTEMPTS = ("attempt", "started_at", "ended_at", "retry_at", "type", "message")
FACTS = (*(name for name in reads.JOB_COLUMNS if name not in SHOWN_APART), *BESIDE)


@tabular(FACTS, ATTEMPTS, STEPS, SIGNALS)
def job(
    id: Annotated[int, typer.Argument(help="Id of the job.")],
    logs: Annotated[bool, typer.Option("--logs", help="Show what its handler has said instead.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="With --logs: until the job is over, and its progress too.")] = False,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Show one job: every attempt that failed and why, and its result."""
    if logs or follow:
        Session(database_url, schema).close()  # which refuses what a superuser must not call
        print_logs(PgQueue(database_url, schema=schema).job(id), follow, as_json)
        return
    with Session(database_url, schema) as database:
        found = database.run(reads.job(id))
        if not found:
            raise JobNotFound(f"there is no job {id}; it never existed, is not committed yet, or the history no longer keeps it")
        result = database.run(result_calls.result(id))
        row = found[0] | {"result": result.value, "result_expires_at": result.expires_at}
        row["workflow_id"] = database.run(reads.workflow_of(id))
        row["unknown_since"] = database.run(reads.waited(id)).unknown_since
        row["fingerprint"] = _fingerprint(database, id) if row["state"] == "failed" else None
        row |= remembered(database, id)
        pauses = database.run(queue_calls.pauses_of(row["queue"], row["task"])) if row["state"] in WAITING else []
        causes = database.run(explain_calls.explain(id)) if row["state"] in WAITING else []
    if as_json:
        told = {"pauses": [pause._asdict() for pause in pauses], "causes": [asdict(cause) for cause in causes]}
        print_json(row | {"errors": row["errors"] or []} | told)
    else:
        _print_job(console(), row, causes)


def _fingerprint(database: Session, id: int) -> str | None:
    letters, _ = database.run(dead_calls.dead_letters(filter_json({"ids": [id], "state": ["failed"]}), None, 1))
    return letters[0]["fingerprint"] if letters else None


def retry_each(
    database: Session,
    ids: list[int],
    as_json: bool,
    by: str | None = None,
    keep_attempts: bool = False,
    run_after: str | None = None,
    force: bool = False,
) -> None:
    """Retry each of these jobs and print the results. The options are those of SQL; by: you on this machine by default.

    Raises:
        typer.Exit: a job was refused.
    """

    def retry_one(id: int) -> dict[str, Any]:
        call = manage_calls.retry(id, who(by), None, None, keep_attempts, run_after, force)
        runs_as, duplicate = database.run(call)
        return {"id": id, "runs_as": runs_as, "duplicate": duplicate}

    def said(done: dict[str, Any]) -> str:
        id, runs_as = done["id"], done["runs_as"]
        if done["duplicate"]:
            return f"job {id} is not retried: its unique key is held by job {runs_as}"
        return f"job {id} runs again" + ("" if runs_as == id else f" as job {runs_as}")

    for_each(ids, retry_one, said, as_json)


def _print_job(out: Console, row: dict[str, Any], causes: list[Cause]) -> None:
    out.print(f"job {row['id']}", style="bold")
    if not shape().columns:
        _print_what_is_wrong(out, row, causes)
    if facts := facts_of(row | {"attempt": attempt_of(row)} | trace_of(row), FACTS):
        out.print(facts)
    print_remembered(row)
    if errors := attempts_of(row):
        _print_attempts(errors)
        if not shape().columns:
            _print_traceback(out, errors[-1])


def _print_what_is_wrong(out: Console, row: dict[str, Any], causes: list[Cause]) -> None:
    for cause in causes[:1]:
        others = f" (and {len(causes) - 1} more: pgqueue explain {row['id']})" if len(causes) > 1 else ""
        out.print(Text(f"{cause.cause}: {safe(cause.says)}{others}", "yellow"))
    for line in control_lines(row):
        out.print(line)


def _print_traceback(out: Console, error: dict[str, Any]) -> None:
    if traceback := error.get("traceback"):
        out.print(Text(f"attempt {safe(str(error.get('attempt')))}:", "bold"))
        out.print(indent(safe_lines(str(traceback).rstrip()), "  "), markup=False, soft_wrap=True)


def attempts_of(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The errors of a job; what a row that was written by hand has in place of one is its message."""
    errors = row["errors"] or []
    return [one if isinstance(one, dict) else {"message": one} for one in (errors if isinstance(errors, list) else [errors])]


def _print_attempts(errors: list[dict[str, Any]]) -> None:
    rows = [{name: _time(error.get(name)) if name.endswith("_at") else error.get(name) for name in ATTEMPTS} for error in errors]
    print_table("attempts", rows, ATTEMPTS, wide=("message",), spare=("ended_at", "retry_at", "message"))


def _time(text: Any) -> str | None:
    """The time of an attempt to the millisecond; it is stored as ISO text, on the clock of the database."""
    return None if text is None else str(text).replace("T", " ")[:23]


def trace_of(row: dict[str, Any]) -> dict[str, Any]:
    """What people look for in the trace of a job, and its terms without it."""
    terms = dict(object_of(row["terms"]))
    trace = object_of(terms.pop("trace", {}))
    _, *id = str(trace.get("traceparent", "")).split("-")[:2]
    return {"terms": terms or None, "request_id": trace.get("request_id"), "trace_id": id[0] if id else None}


def attempt_of(row: dict[str, Any]) -> str:
    return f"{row['attempt']} of {row['max_attempts']}"
