"""Calls that change one job by hand, and what workers ask about it; see sql/functions/manage."""

from typing import Literal
from uuid import UUID

from ..acting import actor
from ..call import ALWAYS, Call, nothing, one_value
from .enqueue import Added


def update(
    job_id: int, args: str | None, priority: int | None, run_at: str | None, run_after: str | None, queue: str | None = None
) -> Call[None]:
    """Change a job that has not started; None does not change a value."""
    return Call(
        "select {schema}.update(%s::bigint, %s::text::jsonb, %s::int, %s::text::timestamptz, %s::text::interval, %s::text, "
        "%s::text)",
        (job_id, args, priority, run_at, run_after, actor(), queue),
        nothing,
    )


def cancel(
    job_id: int, by: str | None = None, note: str | None = None, force: bool = False, force_after: str | None = None
) -> Call[Literal["cancelled", "asked", "fenced"]]:
    """Cancel a job. Returns what became of it."""
    return Call(
        "select {schema}.cancel(%s::bigint, %s::text, %s::text, %s::bool, %s::text::interval)",
        (job_id, actor(by), note, force, force_after),
        one_value,
    )


def cancel_requests(
    worker: UUID, runs: list[int], only_held: bool, claimed_within: float | None = None
) -> Call[list[tuple[int, bool]]]:
    """Which of the runs that a worker holds, and unless `only_held` of those that it does not know of, are to end, and whether
    they are fenced (else asked to stop).
    """
    return Call(
        "select job_id, fenced from {schema}.cancel_requests(%s, %s, %s, make_interval(secs => %s))",
        (worker, runs, only_held, claimed_within),
        lambda rows: [(int(job_id), bool(fenced)) for job_id, fenced in rows],
        repeat_within=ALWAYS,
    )


def retry(
    job_id: int,
    by: str | None = None,
    args: str | None = None,
    rules: str | None = None,
    keep_attempts: bool = False,
    run_after: str | None = None,
    force: bool = False,
) -> Call[Added]:
    """Run a job again that waits or is over. Returns the job that will run, and whether it is an existing duplicate."""
    return Call(
        "select id, duplicate from {schema}.retry(%s::bigint, %s::text, %s::text::jsonb, %s::text::jsonb, %s::bool, "
        "%s::text::interval, %s::bool)",
        (job_id, actor(by), args, rules, keep_attempts, run_after, force),
        lambda rows: Added(*rows[0]),
    )


def discard(job_id: int, by: str | None, reason: str | None) -> Call[None]:
    """Remove a dead letter for good."""
    return Call("select {schema}.discard(%s::bigint, %s::text, %s::text)", (job_id, actor(by), reason), nothing)
