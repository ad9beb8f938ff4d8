"""pgqueue jobs."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from ..control.jobs import MOST_COUNTED, MOST_ROWS, read_cursor
from ..database.calls import jobs as calls
from ..database.calls.jobs import JobPage, ListedJob
from .filters import filter_json, filtered
from .jobs import attempt_of
from .options import AsJson, DatabaseUrl, Limit, Schema
from .output import no_worker, print_json, print_json_lines, print_table, say, shown
from .session import Session
from .shape import tabular

COLUMNS = ("id", "state", "queue", "task", "args", "priority", "attempt", "run_at", "finished_at", "note")
SPARE = ("finished_at", "run_at", "priority", "attempt", "args", "note")


class Order(StrEnum):
    """The orders of list_jobs."""

    id = "id"
    claim = "claim"
    run_at = "run_at"
    finished_at = "finished_at"


@filtered()
@tabular(COLUMNS)
def jobs(
    filter: dict[str, Any],
    limit: Limit = 20,
    order: Annotated[
        Order | None,
        typer.Option(
            metavar="ORDER",
            help="id: the newest first; claim: ready jobs as workers claim them; run_at: scheduled jobs, the next one first; "
            "finished_at: jobs that are over, the last one first. By default the one that is found with the least work.",
        ),
    ] = None,
    after: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="Go on where the last page has stopped, which names it.")
    ] = None,
    count: Annotated[bool, typer.Option("--count", help="Print only how many there are.")] = False,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """List jobs, live and finished."""
    text, after = filter_json(filter), read_cursor(after)
    with Session(database_url, schema) as database:
        if count:
            _print_count(database.run(calls.count_jobs(text, MOST_COUNTED)), as_json)
            return
        page = _pages(database, text, order, after, limit)
    if as_json:
        print_json_lines(job._asdict() for job in page.jobs)
    else:
        readable = [job._asdict() | {"attempt": attempt_of(job._asdict()), "note": _note(job)} for job in page.jobs]
        print_table("jobs", readable, COLUMNS, wide=("args", "note"), spare=SPARE)
    _say_where_it_stopped(page, limit)


def _pages(database: Session, filter: str, order: Order | None, after: str | None, limit: int) -> JobPage:
    """Up to `limit` jobs: as many pages as are full."""
    found: list[ListedJob] = []
    while True:
        rows = min(limit - len(found), MOST_ROWS)
        page = database.run(calls.list_jobs(filter, order and order.value, after, rows))
        found += page.jobs
        if page.next is None or len(page.jobs) < rows or len(found) == limit:
            return page._replace(jobs=found)
        after = page.next


def _say_where_it_stopped(page: JobPage, limit: int) -> None:
    """On stderr, so that it is not in the way of what reads the list."""
    if page.next is None:
        return
    if len(page.jobs) < limit:
        far = f", as far as {shown(page.looked_to)}" if page.looked_to else ""
        say(f"looked at {page.looked:,} jobs{far}; there may be more", to_stderr=True)
    say(f"go on with --after '{page.next}'", to_stderr=True)


def _print_count(counted: calls.JobCount, as_json: bool) -> None:
    if as_json:
        print_json(counted._asdict())
    else:
        say(f"{'' if counted.is_over else 'at least '}{counted.jobs}")


def _note(job: ListedJob) -> str:
    if job.unknown_since is not None:
        return no_worker(job.unknown_since).partition(" since ")[0]
    return f"{job.error_type}: {job.error_message}" if job.error_type else ""
