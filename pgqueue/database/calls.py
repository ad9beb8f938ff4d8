"""One function per SQL function: it builds the call, free of I/O, so that sync and async code run the same one."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, LiteralString, NamedTuple, TypeVar
from uuid import UUID

from .._json import readable
from .connection import DEADLINE

T = TypeVar("T")
_A_SECOND = 100_000  # characters of JSON that the slowest server takes in a second
WHOLE = 60.0  # seconds for a call about all of a workflow, or of a table
ALWAYS = math.inf  # of `repeat_within`
Rows = list[tuple[Any, ...]]
CANCEL_WANTED = "!cancel"  # what cancel_workflow says there
RESULTS_WANTED = "!results"  # what ask_results says on the workers' channel, where other payloads are queues


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A statement with its parameters, and what its rows mean.

    Attributes:
        statement: with %s or %(name)s for parameters, {schema} for the install's schema and {query} for a query of the caller's.
        params: of types that every driver can send where the call may run on a caller's connection.
        read: makes the answer of the rows.
        query: the caller's query, if there is one.
        within: seconds in which it must be answered; None: `connection.DEADLINE`. More where its work has no bound of ours.
        repeat_within: seconds from its start in which it may be sent again when its connection was cut: it only reads, or what it
            does twice it has done once. 0: never.
    """

    statement: LiteralString
    params: Any  # a sequence, or a mapping for %(name)s
    read: Callable[[Rows], T]
    query: LiteralString | None = None
    within: float | None = None
    repeat_within: float = 0.0


class Claimed(NamedTuple):
    """What a claim got: rows in the order of `JobContext`, those with limits first; and in how many seconds jobs that wait for a
    limit are to be looked at again (None: none wait; below 0: they can be had now).
    """

    rows: Rows
    again_in: float | None


class Verdict(NamedTuple):
    """What `finish` says of an outcome that did not simply end its job: scheduled, dead, cancelled, busy or stale."""

    job_id: int
    verdict: str
    run_at: Any


class Completed(NamedTuple):
    """What `complete` says (None: done, else stale), and the transaction it said it in."""

    verdict: str | None
    xid: str


class Promoted(NamedTuple):
    """How many jobs became ready, and the seconds until the next is due (None: none is scheduled)."""

    promoted: int
    next_in: float | None


class ResultRow(NamedTuple):
    """How a job stands; see sql/functions/results/result.sql."""

    state: str | None
    reason: str | None
    value: Any
    expired: bool | None
    error: dict[str, Any] | None
    task: str | None
    expires_at: Any
    elapsed: float | None


class Kept(NamedTuple):
    """How a job stands, and for how many seconds its result is still kept (None: there is none)."""

    state: str | None
    ttl: float | None


class Added(NamedTuple):
    """What an enqueue did: the job's id, and whether it was there before."""

    id: int
    duplicate: bool = False


def within_by_size(text: str) -> float | None:
    """The deadline of a call whose work grows with this text: 1 s more for each 100,000 characters."""
    return None if len(text) < _A_SECOND else DEADLINE + len(text) / _A_SECOND


def _all(rows: Rows) -> Rows:
    return rows


def _one(rows: Rows) -> Any:
    return rows[0][0]


def _column(rows: Rows) -> list[Any]:
    return [row[0] for row in rows]


def _nothing(rows: Rows) -> None:
    return None


def update(job_id: int, args: str | None, priority: int | None, run_at: str | None, run_after: str | None) -> Call[None]:
    """Change a job that has not started; None leaves a value as it is."""
    return Call(
        "select {schema}.update(%s::bigint, %s::text::jsonb, %s::int, %s::text::timestamptz, %s::text::interval)",
        (job_id, args, priority, run_at, run_after),
        _nothing,
    )


# A claim need not survive a crash of the server: then the job is ready, and the token finishes nothing. So it does not wait for
# the disk. What must survive does: enqueue and finish, whose flush covers the claim before them. Said here and not in the
# function, because it lasts until the end of the transaction, and others may have more in theirs.
_CLAIM: LiteralString = (
    "select c.id, c.queue, c.task, c.args::text, c.attempt, c.max_attempts, c.priority, "
    "least(greatest(c.run_at, '0001-01-02Z'), '9999-12-30Z'), least(greatest(c.created_at, '0001-01-02Z'), '9999-12-30Z'), "
    "c.meta::text, c.node::text, c.limits "
    "from set_config('synchronous_commit', 'off', true), {schema}.claim(%s, %s, %s, %s, %s, %s, %s) c"
)


def claim(
    worker: UUID,
    token: UUID,
    queues: list[str],
    want: int,
    weights: list[float] | None,
    resume_at: str | None,
    limited: int | None = None,
) -> Call[Claimed]:
    """Take up to `want` ready jobs under one token, at most `limited` of them with limits (None: all)."""
    return Call(_CLAIM, (worker, token, queues, want, weights, resume_at, limited), _claimed)


def _claimed(rows: Rows) -> Claimed:
    if rows and rows[-1][0] is None:
        again_at, now = rows.pop()[7:9]
        return Claimed(rows, (again_at - now).total_seconds())
    return Claimed(rows, None)


def finish(outcomes: str, additions: str | None = None) -> Call[list[Verdict]]:
    """Hand in outcomes (a JSON array), and what their jobs add to their workflows (another); the verdicts on those outcomes that
    did not simply end their job.
    """
    if additions is None:
        return Call("select * from {schema}.finish(%s)", (outcomes,), _verdicts)
    return Call("select * from {schema}.finish(%s, %s)", (outcomes, additions), _verdicts)


def _verdicts(rows: Rows) -> list[Verdict]:
    return [Verdict(*row) for row in rows]


def complete(job_id: int, token: str, result: str | None, elapsed: float, nodes: str | None = None) -> Call[Completed]:
    """Finish a job as the last statement of its handler's transaction; result, and what it adds to its workflow, as JSON text."""
    return Call(
        "select {schema}.complete(%s::bigint, %s::text::uuid, %s::text::jsonb, %s::float8::real, %s::text::jsonb), "
        "pg_current_xact_id()::text",
        (job_id, token, result, elapsed, nodes),
        lambda rows: Completed(*rows[0]),
    )


def finished(job_id: int, token: str, xid: str) -> Call[str]:
    """What became of a transaction whose COMMIT was never answered: pending, committed, running or lost."""
    return Call(
        "select {schema}.finished(%s::bigint, %s::text::uuid, %s::text::xid8)", (job_id, token, xid), _one, repeat_within=ALWAYS
    )


def progress(job_id: int, token: str, done: float, total: float | None, note: str | None) -> Call[bool]:
    """Tell how far a running job has come; False when it is not this token's any more. Nothing is lost with it, so it does not
    wait for the disk.
    """
    return Call(
        "select {schema}.progress(%s::bigint, %s::text::uuid, %s::float8, %s::float8, %s::text) "
        "from set_config('synchronous_commit', 'off', true)",
        (job_id, token, done, total, note),
        _one,
        repeat_within=ALWAYS,
    )


def parents(job_ids: list[int]) -> Call[Rows]:
    """The parents of jobs: the job's id, then what `ParentRow` takes."""
    return Call(
        "select child_id, parent_id, name, task, state, result::text, error::text, expired from {schema}.parents(%s)",
        (job_ids,),
        _all,
        repeat_within=ALWAYS,
    )


def cancel_requests(worker: UUID) -> Call[list[int]]:
    """Jobs that run under this worker and whose workflow was cancelled."""
    return Call("select * from {schema}.cancel_requests(%s)", (worker,), _column, repeat_within=ALWAYS)


def give_back(token: UUID, job_ids: list[int]) -> Call[list[int]]:
    """Return unstarted jobs of one claim; the ids given back."""
    return Call("select * from {schema}.give_back(%s, %s)", (token, job_ids), _column)


def reconcile(worker: UUID, known: list[int], grace: float) -> Call[list[int]]:
    """Give back what runs under a worker that does not know of it; the ids given back."""
    return Call("select * from {schema}.reconcile(%s, %s, make_interval(secs => %s))", (worker, known, grace), _column)


def promote(want: int = 1000) -> Call[Promoted]:
    """Make due jobs ready."""
    return Call("select * from {schema}.promote(%s)", (want,), lambda rows: Promoted(*rows[0]))


def cancel(job_id: int) -> Call[None]:
    """Cancel a job that has not started."""
    return Call("select {schema}.cancel(%s::bigint)", (job_id,), _nothing)


def retry(job_id: int) -> Call[Added]:
    """Run a waiting, dead or finished job again; the job that will run, and whether it is a duplicate that stands in the way."""
    return Call("select id, duplicate from {schema}.retry(%s::bigint)", (job_id,), lambda rows: Added(*rows[0]))


def result(job_id: int) -> Call[ResultRow]:
    """How a job stands and what it returned. JSON comes as text: drivers read jsonb each in its own way, or not at all."""
    return Call(
        "select state, reason, value::text, expired, error::text, task, expires_at, elapsed from {schema}.result(%s::bigint)",
        (job_id,),
        _result_row,
        repeat_within=ALWAYS,
    )


def _result_row(rows: Rows) -> ResultRow:
    state, reason, value, expired, error, task, expires_at, elapsed = rows[0]
    value, error = (None if text is None else readable(text) for text in (value, error))
    return ResultRow(state, reason, value, expired, error, task, expires_at, elapsed)


def kept(job_id: int) -> Call[Kept]:
    """Whether a job's result is kept, and how long; without the result itself."""
    return Call(
        "select state, (extract(epoch from expires_at) - extract(epoch from clock_timestamp()))::float8 from {schema}.result(%s)",
        (job_id,),
        lambda rows: Kept(*rows[0]),
        repeat_within=ALWAYS,
    )


def extend_result(job_id: int, ttl: float) -> Call[datetime]:
    """Keep a result for this many seconds from now; until when."""
    return Call("select {schema}.extend_result(%s, make_interval(secs => %s::float8))", (job_id, ttl), _one, repeat_within=ALWAYS)


def delete_result(job_id: int) -> Call[None]:
    """Remove a result now."""
    return Call("select {schema}.delete_result(%s)", (job_id,), _nothing, repeat_within=ALWAYS)


def ended(job_ids: list[int]) -> Call[list[int]]:
    """Those of these jobs that are over, or do not exist."""
    return Call("select * from {schema}.ended(%s)", (job_ids,), _column, repeat_within=ALWAYS)


def wake_waiters(job_ids: list[int]) -> Call[None]:
    """Tell waiting processes that these jobs are over. It is a hint, so it does not wait for the disk: see `_CLAIM`."""
    return Call(
        "select {schema}.wake_waiters(%s) from set_config('synchronous_commit', 'off', true)",
        (job_ids,),
        _nothing,
    )


def ask_results() -> Call[None]:
    """Tell the workers that somebody waits for results."""
    return Call("select {schema}.ask_results()", (), _nothing)


def done_channel() -> Call[str]:
    """The channel that ids of jobs that are over arrive on."""
    return Call("select {schema}.channel() || '_done'", (), _one, repeat_within=ALWAYS)


def has_work(queues: list[str]) -> Call[bool]:
    """Whether these queues hold anything ready or running."""
    return Call("select {schema}.has_work(%s)", (queues,), _one, repeat_within=ALWAYS)


def register_worker(
    worker: UUID, name: str, host: str, pid: int, version: str, queues: list[str], concurrency: int, lease: float
) -> Call[None]:
    """Announce a worker process."""
    return Call(
        "select {schema}.register_worker(%s, %s, %s, %s, %s, %s, %s, make_interval(secs => %s))",
        (worker, name, host, pid, version, queues, concurrency, lease),
        _nothing,
    )


def retire_worker(worker: UUID) -> Call[list[int]]:
    """Leave: give back what still runs; the ids given back."""
    return Call("select * from {schema}.retire_worker(%s)", (worker,), _column)


def heartbeat(worker: UUID, started: list[int], wake_mode: str) -> Call[int]:
    """Renew the lease; the number of active workers."""
    return Call("select {schema}.heartbeat(%s, %s, %s)", (worker, started, wake_mode), _one)


def mark_lost() -> Call[int]:
    """Declare workers lost that missed their lease; how many."""
    return Call("select {schema}.mark_lost()", (), _one)


def rescue(want: int = 1000, within: float | None = None) -> Call[int]:
    """Take jobs from lost workers, at most so many; how many."""
    return Call("select {schema}.rescue(%s)", (want,), _one, within=within)


def maintain_if_due() -> Call[float]:
    """Partitions and pruning, unless somebody has seen to it; in how many seconds to ask again."""
    return Call("select {schema}.maintain_if_due()", (), _one)


def installed_version() -> Call[str]:
    """The version of pgqueue that the schema is of."""
    return Call("select {schema}.installed_version()", (), _one, repeat_within=ALWAYS)


def channel() -> Call[str]:
    """The channel that wake-ups of this install arrive on."""
    return Call("select {schema}.channel()", (), _one, repeat_within=ALWAYS)


def records(*names: str) -> Callable[[Rows], list[dict[str, Any]]]:
    """Rows as dicts with these names."""
    return lambda rows: [dict(zip(names, row, strict=True)) for row in rows]


JOB_COLUMNS = (
    "id", "state", "reason", "queue", "task", "args", "priority", "attempt", "max_attempts", "rescues", "run_at", "created_at",
    "claimed_at", "finished_at", "elapsed", "worker_id", "retry_of", "meta", "errors", "progress", "workflow_id",
    "limits", "cost",
)  # fmt: skip
_JOBS = (
    "select id, state, reason, queue, task, args, priority, attempt, max_attempts, rescues, run_at, created_at, "
    "claimed_at, finished_at, elapsed, worker_id, retry_of, meta, errors, progress, workflow_id, limits, cost from {schema}.jobs "
)


def job(job_id: int) -> Call[list[dict[str, Any]]]:
    """The job with this id from the view `jobs`, as a list of none or one."""
    return Call(_JOBS + "where id = %s", (job_id,), records(*JOB_COLUMNS), repeat_within=ALWAYS)
