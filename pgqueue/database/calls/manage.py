"""Calls that change one job by hand; see sql/functions/manage."""

from ..call import Call, nothing
from .enqueue import Added


def update(job_id: int, args: str | None, priority: int | None, run_at: str | None, run_after: str | None) -> Call[None]:
    """Change a job that has not started; None does not change a value."""
    return Call(
        "select {schema}.update(%s::bigint, %s::text::jsonb, %s::int, %s::text::timestamptz, %s::text::interval)",
        (job_id, args, priority, run_at, run_after),
        nothing,
    )


def cancel(job_id: int) -> Call[None]:
    """Cancel a job that has not started."""
    return Call("select {schema}.cancel(%s::bigint)", (job_id,), nothing)


def retry(job_id: int) -> Call[Added]:
    """Run a waiting, dead or finished job again. Returns the job that will run, and whether it is an existing duplicate."""
    return Call("select id, duplicate from {schema}.retry(%s::bigint)", (job_id,), lambda rows: Added(*rows[0]))
