"""pgqueue retry, cancel, retry-workflow, cancel-workflow: one verb, several ids. One refusal does not hold up the others."""

from collections.abc import Callable
from typing import Any

import typer

from ..database.calls import manage as manage_calls
from ..database.calls import workflows as workflow_calls
from ..errors import PgQueueError
from .failures import complain, exit_code
from .options import AsJson, DatabaseUrl, JobIds, Schema, WorkflowIds
from .output import print_json
from .session import Session


def retry(ids: JobIds, database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False) -> None:
    """Run jobs again now: waiting ones, dead letters (same id) or finished ones (a new job)."""
    with Session(database_url, schema) as database:
        retry_each(database, ids, as_json)


def cancel(ids: JobIds, database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False) -> None:
    """Cancel jobs that have not started."""
    with Session(database_url, schema) as database:

        def cancel_one(id: int) -> dict[str, Any]:
            database.run(manage_calls.cancel(id))
            return {"id": id, "state": "cancelled"}

        _each(ids, cancel_one, lambda done: f"job {done['id']} cancelled", as_json)


def retry_workflow(ids: WorkflowIds, database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False) -> None:
    """Run the dead letters of workflows again; what was skipped because of them waits for them again."""
    with Session(database_url, schema) as database:

        def retry_one(id: int) -> dict[str, Any]:
            return {"id": id, "retried": database.run(workflow_calls.retry_workflow(id))}

        def said(done: dict[str, Any]) -> str:
            return f"workflow {done['id']}: {_counted(done['retried'], 'dead letter')} run again"

        _each(ids, retry_one, said, as_json)


def cancel_workflow(ids: WorkflowIds, database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False) -> None:
    """Cancel the jobs of workflows that have not started, and ask those that run to stop."""
    with Session(database_url, schema) as database:

        def cancel_one(id: int) -> dict[str, Any]:
            cancelled = database.run(workflow_calls.cancel_workflow(id))
            now = database.run(workflow_calls.progress(id))
            return {"id": id, "cancelled": cancelled, "stopping": now[0]["running"] if now else 0}

        def said(done: dict[str, Any]) -> str:
            stopping = f", {_counted(done['stopping'], 'running job')} asked to stop" if done["stopping"] else ""
            return f"workflow {done['id']}: {_counted(done['cancelled'], 'job')} cancelled{stopping}"

        _each(ids, cancel_one, said, as_json)


def retry_each(database: Session, ids: list[int], as_json: bool) -> None:
    """Retry each of these jobs and say so.

    Raises:
        typer.Exit: some were refused.
    """

    def retry_one(id: int) -> dict[str, Any]:
        runs_as, duplicate = database.run(manage_calls.retry(id))
        return {"id": id, "runs_as": runs_as, "duplicate": duplicate}

    def said(done: dict[str, Any]) -> str:
        again = "stays where it is: its unique key is that of" if done["duplicate"] else "runs again as"
        return f"job {done['id']} {again} job {done['runs_as']}"

    _each(ids, retry_one, said, as_json)


def _each(ids: list[int], act: Callable[[int], dict[str, Any]], said: Callable[[dict[str, Any]], str], as_json: bool) -> None:
    """Act on each id; the exit code is that of the first refusal."""
    code = 0
    for id in ids:
        try:
            done = act(id)
        except PgQueueError as error:
            complain(error)
            code = code or exit_code(error)
        else:
            print_json(done) if as_json else print(said(done))
    raise typer.Exit(code)


def _counted(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
