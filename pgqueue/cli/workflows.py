"""pgqueue workflows, workflow, retry-workflow, cancel-workflow."""

import json
import time
from collections.abc import Iterator
from typing import Annotated, Any

import psycopg
import typer
from rich.console import Group
from rich.live import Live
from rich.text import Text

from .._steps import drive
from ..database.calls import reads
from ..database.calls import workflows as workflow_calls
from ..database.translate import is_transient
from ..workflow.graph import Graph
from ..workflow.progress import STATES, WorkflowProgress
from . import workflow_view
from .options import AsJson, DatabaseUrl, Limit, Schema, WorkflowIds, WorkflowStatus
from .output import console, for_each, print_json, print_json_lines, print_table, say_lines
from .secrets import redactor
from .session import Session
from .shape import shape, tabular
from .workflow_view import bar, header, line, summary, tree

SEEN = ("succeeded", "failed")  # states whose columns are there also when no job is in them
COLUMNS = ("id", "name", "status", "nodes", "progress", *STATES, "age", "took")
SPARE = ("progress", "took", "age", *(state for state in STATES if state not in SEEN))
LISTED = 200  # nodes; larger workflows are summarised
FAILURES = 5  # dead letters that a summary names
LOOK_EVERY = 0.5  # seconds between two looks of --watch


@tabular(COLUMNS)
def workflows(
    status: Annotated[WorkflowStatus | None, typer.Option(help="Only workflows with this status.")] = None,
    limit: Limit = 20,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """List workflows with their progress, the newest first."""
    with Session(database_url, schema) as database:
        rows = database.run(reads.workflows(status and status.value, limit))
    if as_json:
        print_json_lines(rows)
    else:
        readable = [row | {"progress": bar(row["nodes"] - row["open"], row["nodes"], row["status"])} for row in rows]
        unseen = {state for state in STATES if state not in SEEN and not any(row[state] for row in rows)}
        for row in readable:
            row["name"] = row["name"] or f"({row['first_task']} …)"
        columns = [name for name in COLUMNS if name not in unseen or name in shape().columns]
        print_table("workflows", readable, columns, spare=SPARE)


@tabular(workflow_view.COLUMNS)
def workflow(
    id: Annotated[int, typer.Argument(help="Id of the workflow.")],
    watch: Annotated[
        bool, typer.Option("--watch", help="Watch until the workflow is over; the exit code is 1 unless it succeeded.")
    ] = False,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="Print the graph as a Mermaid flowchart.")] = False,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Show one workflow: its jobs and their parents; if it has more than 200 jobs, the number in each state for each task."""
    if mermaid and (as_json or watch):
        raise typer.BadParameter("--mermaid goes with neither --json nor --watch")
    with Session(database_url, schema) as database:
        if watch:
            raise typer.Exit(_watch(database, id, as_json))
        now = _progress(database, id)
        if mermaid:
            say_lines(redactor().text(_graph(database, id).to_mermaid()).rstrip("\n"))
        elif as_json:
            print_json({"workflow": _facts(now)} | json.loads(_graph(database, id).to_json()))
        else:
            console().print(_view(database, now))


def retry_workflow(ids: WorkflowIds, database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False) -> None:
    """Run the dead letters of workflows again; jobs that were skipped because of them wait for them again."""
    with Session(database_url, schema) as database:

        def retry_one(id: int) -> dict[str, Any]:
            return {"id": id, "retried": database.run(workflow_calls.retry_workflow(id))}

        def said(done: dict[str, Any]) -> str:
            return f"workflow {done['id']}: {_counted(done['retried'], 'dead letter')} run again"

        for_each(ids, retry_one, said, as_json)


def cancel_workflow(ids: WorkflowIds, database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False) -> None:
    """Cancel the jobs of workflows that have not started, and ask running jobs to stop."""
    with Session(database_url, schema) as database:

        def cancel_one(id: int) -> dict[str, Any]:
            cancelled = database.run(workflow_calls.cancel_workflow(id))
            now = database.run(workflow_calls.progress(id))
            return {"id": id, "cancelled": cancelled, "stopping": now[0]["running"] if now else 0}

        def said(done: dict[str, Any]) -> str:
            stopping = f", {_counted(done['stopping'], 'running job')} asked to stop" if done["stopping"] else ""
            return f"workflow {done['id']}: {_counted(done['cancelled'], 'job')} cancelled{stopping}"

        for_each(ids, cancel_one, said, as_json)


def _counted(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def _watch(database: Session, id: int, as_json: bool) -> int:
    """Show a workflow repeatedly until it is over; without a terminal, one line for each change. Returns the exit code."""
    out = console()
    try:
        now = first = _progress(database, id)
        if out.is_terminal and not as_json:
            with Live(_view(database, now), console=out, auto_refresh=False) as live:
                for now in _changes(database, first):
                    live.update(_view(database, now), refresh=True)
        else:
            for now in _changes(database, first):
                print_json(_facts(now)) if as_json else out.print(line(now))
    except KeyboardInterrupt:
        return 130
    return 0 if now.status == "succeeded" else 1


def _changes(database: Session, now: WorkflowProgress) -> Iterator[WorkflowProgress]:
    yield now
    while not now.is_over:
        pause()
        before = now
        try:
            now = _progress(database, now.id)
        except psycopg.Error as error:
            if not is_transient(error):
                raise
        if now != before:
            yield now


def pause() -> None:
    """Wait between two looks."""
    time.sleep(LOOK_EVERY)


def _progress(database: Session, id: int) -> WorkflowProgress:
    return WorkflowProgress.of(id, database.run(workflow_calls.progress(id)))


def _facts(now: WorkflowProgress) -> dict[str, object]:
    return {name: getattr(now, name) for name in now.__slots__}


def _graph(database: Session, id: int) -> Graph:
    graph: Graph = drive(Graph.of(id, database.run))
    return graph


def _view(database: Session, now: WorkflowProgress) -> Group:
    """The view of a workflow for people."""
    if now.nodes <= LISTED:
        unknown = database.run(reads.workflow_unknown(now.id)) if now.scheduled or now.ready else {}
        return Group(header(now), Text(), tree(_graph(database, now.id), unknown))
    tasks, failures = database.run(reads.workflow_tasks(now.id)), database.run(reads.workflow_failures(now.id, FAILURES))
    return Group(header(now), summary(tasks, failures, now.failed))
