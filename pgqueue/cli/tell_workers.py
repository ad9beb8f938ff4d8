"""pgqueue drain-worker, pgqueue restart-worker."""

from typing import Annotated

import typer

from ..database.acting import acting_as
from ..database.calls import workers as calls
from .options import AsJson, DatabaseUrl, Schema
from .output import print_json, say
from .session import Session
from .stacks import worker_of
from .who import By, who

Which = Annotated[str, typer.Argument(metavar="WHICH", help="Name or id of a worker, or id of a job that it runs.")]


def drain_worker(
    which: Which, by: By = None, database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False
) -> None:
    """Let a worker claim nothing more, and end once its handlers have, however long they take."""
    _tell(which, "drain", by, database_url, schema, as_json)


def restart_worker(
    which: Which, by: By = None, database_url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False
) -> None:
    """Drain a worker with exit code 75, so that its supervisor, its agent, systemd or Kubernetes starts another one."""
    _tell(which, "restart", by, database_url, schema, as_json)


def _tell(which: str, what: str, by: str | None, database_url: str | None, schema: str | None, as_json: bool) -> None:
    with Session(database_url, schema) as database:
        worker = worker_of(database, which)
        with acting_as(who(by)):
            changed = database.run(calls.tell_worker(worker, what))
    if as_json:
        print_json({"worker_id": worker, "told": what, "changed": changed})
    else:
        done = "is told to" if changed else "was already told to"
        say(f"worker {worker} {done} {what}; it ends when its handlers have")
