"""The calls of `pgqueue.testing`, with parameters that every driver can send.

A test works in a transaction that it rolls back. Its own jobs are the jobs that this transaction has added. Such a row is
visible although its transaction is still open, so it must be from this transaction. Only rows that are not older than the
transaction are checked: so the 32 bits of an xid in a row are never from another epoch, and a job of another transaction that
the test has changed does not count.
"""

from datetime import UTC, datetime
from typing import Any, LiteralString

from ..call import Call, records
from .workflows import ParentRow

# The xid with its epoch is the current xid plus their difference, which is less than half of the 32-bit range.
_OWN: LiteralString = (
    "case when created_at >= now() then pg_xact_status((pg_current_xact_id()::text::bigint "
    "+ mod(xmin::text::bigint - mod(pg_current_xact_id()::text::bigint, 4294967296) + 6442450944, 4294967296) - 2147483648"
    ")::text::xid8) = 'in progress' else false end"
)


def _time(epoch: float) -> datetime:
    """A time from seconds, because drivers may give times with or without a zone."""
    return datetime.fromtimestamp(epoch, UTC)


def transaction_id() -> Call[str]:
    """The id of the current transaction; a different id at each call if there is no open transaction."""
    return Call("select pg_current_xact_id()::text", (), lambda rows: str(rows[0][0]))


def register(worker: str, pid: int, version: str) -> Call[None]:
    """Register a worker that runs the jobs of a test."""
    return Call(
        "select {schema}.register_worker(%s::text::uuid, 'pgqueue.testing', 'localhost', %s::int, %s::text, "
        "array['default'], 1, interval '1 hour')::text",
        (worker, pid, version),
        lambda rows: None,
    )


def retire(worker: str) -> Call[None]:
    """Remove this worker."""
    return Call("select {schema}.retire_worker(%s::text::uuid)", (worker,), lambda rows: None)


def next_job(scheduled: bool, only: int | None) -> Call[tuple[int, str, str] | None]:
    """The test's own job that runs next: id, task, state. Due jobs come first, in the order of `claim`; none that has expired.

    Args:
        scheduled: include jobs that are not due, but those that wait for a signal.
        only: the id of the only job to consider.
    """
    statement: LiteralString = (
        "select id, task, state::text from {schema}.job where " + _OWN + " and (state = 'ready' or state = 'scheduled' and "
        "(%s::bool and control->'waits_for' is null or run_at <= clock_timestamp())) and (%s::bigint is null or id = %s::bigint) "
        "and not exists (select from {schema}.ending_job e where e.id = job.id and e.ends_at <= clock_timestamp()) "
        "order by run_at > clock_timestamp(), priority desc, run_at, id limit 1"
    )
    return Call(statement, (scheduled, only, only), lambda rows: (rows[0][0], rows[0][1], rows[0][2]) if rows else None)


def claim_job(worker: str, token: str, job_id: int) -> Call[list[tuple[Any, ...]]]:
    """Claim one job. Returns its row in the order of `JobContext`."""
    return Call(
        "select id, queue, task, args::text, attempt, max_attempts, priority, extract(epoch from run_at)::float8, "
        "extract(epoch from created_at)::float8, meta::text, node::text, null, terms::text "
        "from {schema}.claim_jobs(%s::text::uuid, %s::text::uuid, array[%s::bigint])",
        (worker, token, job_id),
        lambda rows: [(*row[:7], _time(row[7]), _time(row[8]), *row[9:]) for row in rows],
    )


def set_attempt(job_id: int, attempt: int) -> Call[None]:
    """Set the attempt number of the next run of a job."""
    return Call(
        "with changed as (update {schema}.job set attempt = %s::int - 1, max_attempts = greatest(max_attempts, %s::int) "
        "where id = %s::bigint) select 1",
        (attempt, attempt, job_id),
        lambda rows: None,
    )


def parents(job_id: int) -> Call[list[ParentRow]]:
    """The parents of a job."""
    return Call(
        "select parent_id, name, task, state, result::text, error::text, expired, withheld "
        "from {schema}.parents(array[%s::bigint])",
        (job_id,),
        lambda rows: [ParentRow(*row) for row in rows],
    )


def finish(job_id: int, outcome: str, nodes: str | None) -> Call[None]:
    """Report the outcome of a job, and the nodes that it adds to its workflow."""
    return Call(
        "select count(*) from {schema}.finish(%s::text::jsonb, %s::text::jsonb)",
        (f"[{outcome}]", None if nodes is None else f'[{{"id":{job_id},"nodes":{nodes}}}]'),
        lambda rows: None,
    )


def standing(job_id: int) -> Call[tuple[str, str | None]]:
    """The state of a job, and its result as JSON text."""
    return Call(
        "select state::text, value::text from {schema}.result(%s::bigint)", (job_id,), lambda rows: (rows[0][0], rows[0][1])
    )


def jobs() -> Call[list[dict[str, Any]]]:
    """Every job that the connection sees, in the order of enqueuing; arguments and meta as JSON text."""
    return Call(
        "select id, state::text, task, queue, priority, extract(epoch from run_at)::float8, "
        "extract(epoch from run_at - created_at)::float8, args::text, meta::text from {schema}.jobs order by id",
        (),
        records("id", "state", "task", "queue", "priority", "run_at", "waits", "args", "meta"),
    )


# All times of a job, its result and its workflow, except created_at, which identifies the rows of the test.
_TRAVEL: LiteralString = (
    "with passed as (select make_interval(secs => %s::float8) as time), "
    "live as (select id from {schema}.job where " + _OWN + "), "
    "over as (select id from {schema}.job_history where " + _OWN + "), "
    "dead as (select id from {schema}.dead_letter where " + _OWN + "), "
    "flow as (select id from {schema}.workflow where " + _OWN + "), "
    "own as (select id from live union all select id from over union all select id from dead), "
    "due as (update {schema}.job set run_at = run_at - time, claimed_at = claimed_at - time, put_off_at = put_off_at - time, "
    "unknown_since = unknown_since - time, expires_at = expires_at - time, deadline_at = deadline_at - time "
    "from passed where id = any (select id from live)), "
    "ended as (update {schema}.job_history set run_at = run_at - time, claimed_at = claimed_at - time, "
    "finished_at = finished_at - time, result_expires_at = result_expires_at - time from passed "
    "where id = any (select id from over)), "
    "died as (update {schema}.dead_letter set run_at = run_at - time, claimed_at = claimed_at - time, "
    "finished_at = finished_at - time from passed where id = any (select id from dead)), "
    "kept as (update {schema}.job_result set expires_at = expires_at - time from passed "
    "where job_id = any (select id from own)), "
    "held as (update {schema}.unique_hold set expires_at = expires_at - time, held_at = held_at - time from passed "
    "where job_id = any (select id from own)), "
    "said as (update {schema}.job_log set at = at - time from passed where job_id = any (select id from own)), "
    "saved as (update {schema}.rescue_log set rescued_at = rescued_at - time from passed "
    "where job_id = any (select id from own)), "
    "forced as (update {schema}.forced_cancel set at = at - time, asked_at = asked_at - time from passed "
    "where job_id = any (select id from own)), "
    "flown as (update {schema}.workflow set finished_at = finished_at - time, cancelled_at = cancelled_at - time from passed "
    "where id = any (select id from flow)), "
    "step as (update {schema}.job_step set started_at = started_at - time, ended_at = ended_at - time from passed "
    "where job_id = any (select id from own)), "
    "told as (update {schema}.job_signal set waited_at = waited_at - time, until = until - time, "
    "ended_at = ended_at - time from passed where job_id = any (select id from own)), "
    "node as (update {schema}.workflow_node set ended_at = ended_at - time from passed "
    "where workflow_id = any (select id from flow) and ended_at is not null) "
    "select count(*) from own"
)


def travel(seconds: float) -> Call[int]:
    """Age the test's own jobs, their results and their workflows as if this time had passed. Returns how many jobs."""
    return Call(_TRAVEL, (seconds,), lambda rows: int(rows[0][0]))
