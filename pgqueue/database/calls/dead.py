"""Calls that read dead letters; see sql/functions/dead."""

from datetime import datetime
from typing import Literal, LiteralString, NamedTuple

from ..acting import actor
from ..call import ALWAYS, WHOLE, Call, Records, Rows, one_value, records
from .enqueue import Added

DeadProperty = Literal["task", "queue", "reason", "error_type", "fingerprint", "hour", "worker", "host", "version"]
GroupOrder = Literal["jobs", "last_at"]
MOST_LOOKED = 100_000  # dead letters


class DeadGroup(NamedTuple):
    """Dead letters of one fingerprint: one kind of failure.

    Attributes:
        fingerprint: what they have in common; None for those without an error.
        jobs: how many.
        first_at, last_at: when the first and the last of them failed.
        error_type, reason, message: of the newest job.
        sample_id: the newest job: `pgqueue job ID` has its traceback.
        tasks, queues: up to five of each.
        looked_to: what failed before this time was not looked at, because there are too many; None = all were.
    """

    fingerprint: str | None
    jobs: int
    first_at: datetime
    last_at: datetime
    error_type: str | None
    reason: str
    message: str | None
    sample_id: int
    tasks: list[str]
    queues: list[str]
    looked_to: datetime | None


class DeadCount(NamedTuple):
    """How many dead letters have a value in common.

    Attributes:
        value: of the property; an hour is the text of its beginning in UTC: 2030-01-31T12:00Z.
        jobs: how many.
        first_at, last_at: when the first and the last of them failed.
    """

    value: str | None
    jobs: int
    first_at: datetime
    last_at: datetime


_LETTER = (
    "id", "queue", "task", "args", "reason", "attempt", "error_type", "error_message", "traceback", "fingerprint", "retried",
    "finished_at", "created_at", "worker_id", "meta",
)  # fmt: skip


def dead_letters(filter: str, after: str | None, limit: int) -> Call[tuple[Records, str | None]]:
    """The latest dead letters of a filter, and the cursor of the next one; filter and cursor are JSON text."""
    return Call(
        "select l.id, l.queue, l.task, l.args, l.reason, l.attempt, l.error_type, l.error_message, d.errors->-1->>'traceback', "
        "d.fingerprint, coalesce((d.control->>'retried')::int, 0), l.finished_at, l.created_at, l.worker_id, l.meta, "
        "l.next::text "
        "from {schema}.list_jobs(%s::text::jsonb, 'finished_at', %s::text::jsonb, %s::int) with ordinality as l "
        "left join {schema}.dead_letter d on d.id = l.id order by l.ordinality",
        (filter, after, limit),
        _letters,
        within=WHOLE,
        repeat_within=ALWAYS,
    )


_WHOLE_LETTER: tuple[LiteralString, ...] = (
    "id", "queue", "task", "args", "reason", "attempt", "error_type", "error_message", "traceback", "fingerprint", "retried",
    "finished_at", "created_at", "worker_id", "meta", "errors",
)  # fmt: skip


def dead_letter(job_id: int) -> Call[Records]:
    """The dead letter with this id, as a list of at most one."""
    return Call(
        "select " + ", ".join(_WHOLE_LETTER) + " from {schema}.dead_letters where id = %s::bigint",
        (job_id,),
        records(*_WHOLE_LETTER),
        repeat_within=ALWAYS,
    )


def fingerprint_of(job_id: int) -> Call[str | None]:
    """What a dead letter has in common with others of its kind; None for any other job."""
    return Call(
        "select (select fingerprint from {schema}.dead_letters where id = %s::bigint)",
        (job_id,),
        one_value,
        repeat_within=ALWAYS,
    )


def retry_letter(
    job_id: int, queues: list[str] | None, keep_attempts: bool, run_after: str | None, force: bool
) -> Call[Added | None]:
    """`retry` of a job that is a dead letter, of one of these queues if they are given; None: there is none."""
    return Call(
        "select r.id, r.duplicate from {schema}.dead_letters d, lateral {schema}.retry("
        "d.id, %s::text, null, null, %s::bool, %s::text::interval, %s::bool) r "
        "where d.id = %s::bigint and (%s::text[] is null or d.queue = any (%s::text[]))",
        (actor(), keep_attempts, run_after, force, job_id, queues, queues),
        lambda rows: Added(*rows[0]) if rows else None,
    )


def _letters(rows: Rows) -> tuple[Records, str | None]:
    *letters, end = rows
    return [dict(zip(_LETTER, row[:-1], strict=True)) for row in letters], end[-1]


def dead_groups(filter: str, most: int) -> Call[list[DeadGroup]]:
    """The dead letters of a filter (JSON text) by fingerprint."""
    return Call(
        "select fingerprint, jobs, first_at, last_at, error_type, reason::text, message, sample_id, tasks, queues, looked_to "
        "from {schema}.dead_groups(%s::text::jsonb, %s::int)",
        (filter, most),
        lambda rows: [DeadGroup(*row) for row in rows if row[1] is not None],
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def dead_series(
    filter: str, most: int, sort: GroupOrder, span: str | None, look: int = MOST_LOOKED
) -> Call[tuple[list[tuple[DeadGroup, list[int] | None]], datetime | None]]:
    """As `dead_groups`, in this order, each with the numbers of 24 steps of a span, an interval of SQL; None = without them.

    look: at so many dead letters, the newest ones. The second value: what failed before was not looked at; None = all were.
    """
    return Call(
        "select fingerprint, jobs, first_at, last_at, error_type, reason::text, message, sample_id, tasks, queues, looked_to, "
        "series from {schema}.dead_groups(%s::text::jsonb, %s::int, %s::text, %s::text::interval, %s::int)",
        (filter, most, sort, span, look),
        lambda rows: (
            [(DeadGroup(*row[:-1]), row[-1]) for row in rows if row[1] is not None],
            rows[0][-2] if rows else None,
        ),
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def dead_stats(by: str, filter: str, most: int) -> Call[list[DeadCount]]:
    """The dead letters of a filter (JSON text), counted by a property."""
    return Call(
        "select value, jobs, first_at, last_at from {schema}.dead_stats(%s::text, %s::text::jsonb, %s::int)",
        (by, filter, most),
        lambda rows: [DeadCount(*row) for row in rows],
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def latest_stats(by: str, filter: str, most: int, look: int) -> Call[tuple[list[DeadCount], datetime | None]]:
    """As `dead_stats`, of the newest `look` dead letters, and what failed before when was not looked at; None = all were."""
    return Call(
        "select value, jobs, first_at, last_at, looked_to from {schema}.dead_stats(%s::text, %s::text::jsonb, %s::int, %s::int)",
        (by, filter, most, look),
        lambda rows: ([DeadCount(*row[:-1]) for row in rows], rows[0][-1] if rows else None),
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def crossed_dead_letters(name: str, threshold: int, low: int, filter: str) -> Call[int | None]:
    """How many dead letters there are, if this call is the first to see that they have reached a threshold."""
    return Call(
        "select {schema}.crossed_dead_letters(%s::text, %s::int, %s::int, %s::text::jsonb)",
        (name, threshold, low, filter),
        one_value,
        within=WHOLE,
    )
