"""Lists and counts of jobs by a filter; see sql/functions/jobs."""

from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from ..._json import readable
from ..call import ALWAYS, WHOLE, Call, Rows

MOST_LOOKED = 100_000  # jobs at which a page of a list looks


class ListedJob(NamedTuple):
    """A job as a list shows it; `app.job(id)` has all of it.

    Attributes:
        id, state, queue, task, args, priority, meta, limits, workflow_id, worker_id: as it was enqueued and as it is.
        reason: why it ended as it did; None while it is live, and if it succeeded.
        attempt, max_attempts: the runs that count so far, and how many it may have.
        run_at, created_at, claimed_at, finished_at: on the clock of the database; None for what has not happened.
        elapsed: seconds in the handler; None until it is over.
        retry_of: the id of the finished job that this one runs again.
        progress: as last reported by its handler, while it is live.
        control: what happened to it out of the ordinary, such as who has cancelled it.
        unknown_since: since when no worker has had its task.
        error_type, error_message: of its last run that failed.
    """

    id: int
    state: str
    reason: str | None
    queue: str
    task: str
    args: Any
    priority: int
    attempt: int
    max_attempts: int
    run_at: datetime
    created_at: datetime
    claimed_at: datetime | None
    finished_at: datetime | None
    elapsed: float | None
    worker_id: UUID | None
    retry_of: int | None
    workflow_id: int | None
    limits: list[str] | None
    meta: Any
    progress: Any
    control: Any
    unknown_since: datetime | None
    error_type: str | None
    error_message: str | None


class JobPage(NamedTuple):
    """A page of a list.

    Attributes:
        jobs: those that were found, in their order.
        next: where the next page begins, as text for `after`; None if there is no more. A page may be short, or empty, and have
            one: a page looks at 100,000 jobs at most, or at as many as was said.
        looked: how many jobs it has looked at.
        looked_to: the time of the job at which it stopped: `finished_at` or `run_at` if the list is in that order, else
            `created_at`; None if the page is the last one, or is cut by ids that were known.
    """

    jobs: list[ListedJob]
    next: str | None
    looked: int
    looked_to: datetime | None


class JobCount(NamedTuple):
    """How many jobs match.

    Attributes:
        jobs: how many were found.
        is_over: whether these are all; False: there are at least so many.
    """

    jobs: int
    is_over: bool


class Changed(NamedTuple):
    """What a look has found of the jobs that were created, have started or have ended; see changed_jobs.

    Attributes:
        jobs: each as it is now, with the event: created, started or ended.
        is_over: whether these are all.
        oldest_xid, next_xid, last_id, at: where the next look begins.
    """

    jobs: list[dict[str, Any]]
    is_over: bool
    oldest_xid: int
    next_xid: int
    last_id: int | None
    at: datetime


def list_jobs(
    filter: str,
    order_by: str | None = None,
    after: str | None = None,
    limit: int = 20,
    is_brief: bool = False,
    look: int = MOST_LOOKED,
) -> Call[JobPage]:
    """A page of the jobs that match a filter.

    Args:
        filter: JSON text.
        order_by: see list_jobs; None = what costs the least.
        after: the cursor of the page before, JSON text.
        limit: how many.
        is_brief: without args and meta.
        look: at so many jobs it looks, whatever it finds.
    """
    args: LiteralString = "null" if is_brief else "args"
    meta: LiteralString = "null" if is_brief else "meta"
    return Call(
        f"select id, state, reason, queue, task, {args}, priority, attempt, max_attempts, run_at, created_at, claimed_at, "
        f"finished_at, elapsed, worker_id, retry_of, workflow_id, limits, {meta}, progress, control, unknown_since, error_type, "
        "error_message, looked, next::text, next->>'walk' "
        "from {schema}.list_jobs(%s::text::jsonb, %s::text, %s::text::jsonb, %s::int, %s::int)",
        (filter, order_by, after, limit, look),
        _page,
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def count_jobs(filter: str, most: int) -> Call[JobCount]:
    """How many jobs match a filter (JSON text), by a look at `most` jobs."""
    return Call(
        "select jobs, is_over from {schema}.count_jobs(%s::text::jsonb, %s::int)",
        (filter, most),
        lambda rows: JobCount(*rows[0]),
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def changed_jobs(filter: str, after_xid: int | None, after_id: int, since: datetime | None, most: int) -> Call[Changed]:
    """Jobs of a filter (JSON text) that have changed since an earlier look; the first look (None) tells where to begin."""
    return Call(
        "select jobs::text, is_over, oldest_xid, next_xid, last_id, at "
        "from {schema}.changed_jobs(%s::text::jsonb, %s::bigint, %s::bigint, %s::timestamptz, %s::int)",
        (filter, after_xid, after_id, since, most),
        _changed,
        repeat_within=ALWAYS,
    )


def _changed(rows: Rows) -> Changed:
    jobs, *rest = rows[0]
    return Changed(readable(jobs) if jobs else [], *rest)


def _page(rows: Rows) -> JobPage:
    *jobs, (*columns, looked, following, walk) = rows
    stop = ListedJob(*columns)
    at = {"finished_at": stop.finished_at, "run_at": stop.run_at}.get(walk, stop.created_at)
    return JobPage([ListedJob(*row[:-3]) for row in jobs], following, looked, at if following else None)
