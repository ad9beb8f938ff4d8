"""pgqueue operations, operation: bulk work over a filter."""

import time
from collections.abc import Iterator
from typing import Annotated

import psycopg
import typer

from ..database.calls import operations as calls
from ..database.calls.operations import OperationStatus
from ..database.translate import is_transient
from ..errors import JobNotFound
from .operation_view import FACTS, line, print_status
from .options import AsJson, DatabaseUrl, Limit, Schema
from .output import print_json, print_json_lines, print_table, say
from .session import Session
from .shape import tabular
from .who import By, who

COLUMNS = ("id", "kind", "state", "matched", "done", "skipped", "failed", "left_over", "created_at", "by", "reason")
SPARE = ("created_at", "left_over", "skipped", "reason", "by", "failed")
LOOK_EVERY = 0.5  # seconds between two looks at an operation on which others work
TELL_EVERY = 1.0  # seconds between two lines about one that goes on


@tabular(COLUMNS)
def operations(
    only_open: Annotated[bool, typer.Option("--open", help="Only those that are not over.")] = False,
    limit: Limit = 20,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """List operations, the newest first: what was done in bulk, by whom and why. They are kept as long as the history."""
    with Session(database_url, schema) as database:
        rows = [row._asdict() for row in database.run(calls.operations(only_open, limit))]
    if as_json:
        print_json_lines(rows)
    else:
        readable = [row | {"kind": f"{row['kind']}{' (dry run)' if row['dry_run'] else ''}"} for row in rows]
        print_table("operations", readable, COLUMNS, wide=("reason",), spare=SPARE)


@tabular(FACTS)
def operation(
    id: Annotated[int, typer.Argument(help="Id of the operation.")],
    watch: Annotated[
        bool, typer.Option("--watch", help="Carry on with it and watch it until it is over; the exit code is 1 if a job failed.")
    ] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="End it: what is done stays, the rest is left as it is.")] = False,
    by: By = None,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Show one operation: what it does, for whom, and how far it is."""
    with Session(database_url, schema) as database:
        if cancel:
            database.run(calls.cancel_operation(id, who(by)))
        if watch:
            raise typer.Exit(watched(database, id, as_json))
        now = found(database, id)
    print_json(now._asdict()) if as_json else print_status(now)


def watched(database: Session, id: int, as_json: bool) -> int:
    """Carry on with an operation until it is over; print its counts as they change, once a second. Returns the exit code."""
    told = time.monotonic()
    try:
        for now in steps(database, id):
            is_over = now.finished_at is not None
            if is_over or time.monotonic() > told + TELL_EVERY:
                told = time.monotonic()
                print_json(now._asdict()) if as_json else say(line(now))
            if is_over:
                return 1 if now.failed else 0
    except KeyboardInterrupt:
        say(f"the workers go on with it; see pgqueue operation {id}")
    return 130


def steps(database: Session, id: int) -> Iterator[OperationStatus]:
    """Take the steps of an operation, or wait for those who do; what it has done after each."""
    while True:
        try:
            again = database.run(calls.carry_on_operations(only_id=id))
            yield found(database, id)
        except psycopg.Error as error:
            if not is_transient(error):
                raise
            again = LOOK_EVERY
        if again != 0:
            time.sleep(min(again or LOOK_EVERY, LOOK_EVERY))


def found(database: Session, id: int) -> OperationStatus:
    """An operation. Raises JobNotFound."""
    now = database.run(calls.operation(id))
    if now is None:
        raise JobNotFound(f"there is no operation {id}; it never existed, or the history no longer keeps it")
    return now
