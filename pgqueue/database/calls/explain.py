"""Why a job is where it is; see sql/functions/explain."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from ..._json import readable
from ...errors import JobNotFound
from ..call import ALWAYS, WHOLE, Call, Rows


@dataclass(frozen=True, slots=True)
class Cause:
    """A reason why a job does not run, who runs it, or how it has ended.

    Attributes:
        cause: a word for programs, such as "paused"; the guide "Why a job does not run" lists them.
        says: the same for people, in one sentence; times are UTC.
        until: when it ends, or is thought to; None if that is not known. Of a job that is over: until when it is kept.
        details: its figures; times are ISO texts in UTC, ages and durations seconds.
    """

    cause: str
    says: str
    until: datetime | None
    details: dict[str, Any]


def explain(job_id: int) -> Call[list[Cause]]:
    """Why a job is where it is, the decisive cause first."""
    return Call(
        "select cause, says, until, details::text from {schema}.explain(%s::bigint)", (job_id,), _causes, repeat_within=ALWAYS
    )


def gone(job_id: int, causes: list[Cause]) -> JobNotFound:
    """The error for a job that is kept nowhere, with what is known of it still: that it was discarded, by whom and why."""
    says = causes[0].says if causes else "the history no longer keeps it"
    return JobNotFound(f"job {job_id} is not kept any more: {says}")


class Decisive(NamedTuple):
    """The decisive cause of a job; see sql/functions/explain/explain.sql. `state`: None = it is over."""

    job_id: int
    state: str | None
    cause: str
    says: str


class Unserved(NamedTuple):
    """Ready jobs that no worker alive may run; see sql/functions/explain/unserved.sql. `task`: None = of any task."""

    queue: str
    task: str | None
    job_id: int
    since: datetime
    says: str
    details: dict[str, Any]


class UnknownQueue(NamedTuple):
    """A queue of which nothing is known; see sql/functions/explain/unknown_queues.sql."""

    queue: str
    did_you_mean: str | None
    with_jobs: list[str]


def explain_each(job_ids: list[int]) -> Call[list[Decisive]]:
    """The decisive cause of each of the first 100 of these jobs; one of which nothing is known is left out."""
    return Call(
        "select job_id, state, cause, says from {schema}.explain_each(%s::bigint[])",
        (job_ids,),
        lambda rows: [Decisive(*row) for row in rows],
        repeat_within=ALWAYS,
    )


def unserved(after: float = 0.0, most: int = 100) -> Call[list[Unserved]]:
    """The queues and tasks with ready jobs that no worker alive may run.

    Args:
        after: seconds for which the jobs have been due at least.
        most: how many rows.
    """
    return Call(
        "select queue, task, job_id, since, says, details::text "
        "from {schema}.unserved(make_interval(secs => %s::float8), %s::int)",
        (after, most),
        _unserved,
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def unknown_queues(queues: list[str], of_app: list[str]) -> Call[list[UnknownQueue]]:
    """Those of some queues of which nothing is known, and which an app does not name."""
    return Call(
        "select queue, did_you_mean, with_jobs from {schema}.unknown_queues(%s, %s)",
        (queues, of_app),
        lambda rows: [UnknownQueue(*row) for row in rows],
        repeat_within=ALWAYS,
    )


def _unserved(rows: Rows) -> list[Unserved]:
    return [Unserved(queue, task, job_id, since, says, readable(details)) for queue, task, job_id, since, says, details in rows]


def _causes(rows: Rows) -> list[Cause]:
    return [Cause(cause, says, until, readable(details)) for cause, says, until, details in rows]
