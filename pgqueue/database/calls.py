"""One function per SQL function: it builds the call, free of I/O, so that sync and async code run the same one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, LiteralString, NamedTuple, TypeVar
from uuid import UUID

T = TypeVar("T")
Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A statement with its parameters, and what its rows mean. `{schema}` in the statement is the install's schema."""

    statement: LiteralString
    params: Sequence[Any]
    read: Callable[[Rows], T]


class Verdict(NamedTuple):
    """What `finish` says of an outcome that did not simply end its job: scheduled, dead, busy or stale."""

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
    """How a job stands; see sql/functions/result.sql."""

    state: str | None
    reason: str | None
    value: Any
    expired: bool | None
    error: dict[str, Any] | None


class EnqueueOptions(NamedTuple):
    """Options of one enqueue as SQL takes them; JSON as text."""

    queue: str = "default"
    priority: int = 0
    run_at: Any = None
    run_after: Any = None
    retries: int | None = None
    retry: str | None = None
    result_ttl: Any = None
    meta: str | None = None


def _all(rows: Rows) -> Rows:
    return rows


def _one(rows: Rows) -> Any:
    return rows[0][0]


def _column(rows: Rows) -> list[Any]:
    return [row[0] for row in rows]


def _nothing(rows: Rows) -> None:
    return None


def enqueue(task: str, args: str, options: EnqueueOptions, notify: bool) -> Call[int]:
    """Add one job; its id."""
    return Call("select {schema}.enqueue(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)", (task, args, *options, notify), _one)


def enqueue_many(task: str, args: str, options: EnqueueOptions, notify: bool) -> Call[list[int]]:
    """Add a job per element of a JSON array of arguments; their ids in order."""
    return Call("select {schema}.enqueue_many(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)", (task, args, *options, notify), _one)


# A claim need not survive a crash of the server: then the job is ready, and the token finishes nothing. So it does not wait for
# the disk. What must survive does: enqueue and finish, whose flush covers the claim before them. Said here and not in the
# function, because it lasts until the end of the transaction, and others may have more in theirs.
_CLAIM: LiteralString = (
    "select c.id, c.queue, c.task, c.args::text, c.attempt, c.max_attempts, c.priority, c.run_at, c.created_at, c.meta::text "
    "from set_config('synchronous_commit', 'off', true), {schema}.claim(%s, %s, %s, %s, %s, %s) c"
)


def claim(
    worker: UUID, token: UUID, queues: list[str], want: int, weights: list[float] | None, resume_at: str | None
) -> Call[Rows]:
    """Take up to `want` ready jobs under one token; their rows in the order of `JobContext`."""
    return Call(_CLAIM, (worker, token, queues, want, weights, resume_at), _all)


def finish(outcomes: str) -> Call[list[Verdict]]:
    """Hand in outcomes (a JSON array); the verdicts on those that did not simply end their job."""
    return Call("select * from {schema}.finish(%s)", (outcomes,), lambda rows: [Verdict(*row) for row in rows])


def complete(job_id: int, token: str, result: str | None, elapsed: float) -> Call[Completed]:
    """Finish a job as the last statement of its handler's transaction; result as JSON text."""
    return Call(
        "select {schema}.complete(%s::bigint, %s::text::uuid, %s::text::jsonb, %s::float8::real), pg_current_xact_id()::text",
        (job_id, token, result, elapsed),
        lambda rows: Completed(*rows[0]),
    )


def finished(job_id: int, token: str, xid: str) -> Call[str]:
    """What became of a transaction whose COMMIT was never answered: pending, committed, running or lost."""
    return Call("select {schema}.finished(%s::bigint, %s::text::uuid, %s::text::xid8)", (job_id, token, xid), _one)


def progress(job_id: int, token: str, done: float, total: float | None, note: str | None) -> Call[bool]:
    """Tell how far a running job has come; False when it is not this token's any more. Nothing is lost with it, so it does not
    wait for the disk.
    """
    return Call(
        "select {schema}.progress(%s::bigint, %s::text::uuid, %s::float8, %s::float8, %s::text) "
        "from set_config('synchronous_commit', 'off', true)",
        (job_id, token, done, total, note),
        _one,
    )


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
    return Call("select {schema}.cancel(%s)", (job_id,), _nothing)


def retry(job_id: int) -> Call[int]:
    """Run a waiting, dead or finished job again; the id of the job that will run."""
    return Call("select {schema}.retry(%s)", (job_id,), _one)


def result(job_id: int) -> Call[ResultRow]:
    """How a job stands and what it returned."""
    return Call("select * from {schema}.result(%s)", (job_id,), lambda rows: ResultRow(*rows[0]))


def has_work(queues: list[str]) -> Call[bool]:
    """Whether these queues hold anything ready or running."""
    return Call("select {schema}.has_work(%s)", (queues,), _one)


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


def rescue() -> Call[int]:
    """Take jobs from lost workers; how many."""
    return Call("select {schema}.rescue()", (), _one)


def maintain() -> Call[bool]:
    """Partitions and pruning; False when another worker is at it."""
    return Call("select {schema}.maintain()", (), _one)


def channel() -> Call[str]:
    """The channel that wake-ups of this install arrive on."""
    return Call("select {schema}.channel()", (), _one)


def records(*names: str) -> Callable[[Rows], list[dict[str, Any]]]:
    """Rows as dicts with these names."""
    return lambda rows: [dict(zip(names, row, strict=True)) for row in rows]


JOB_COLUMNS = (
    "id", "state", "reason", "queue", "task", "args", "priority", "attempt", "max_attempts", "rescues", "run_at", "created_at",
    "claimed_at", "finished_at", "elapsed", "worker_id", "retry_of", "meta", "errors", "progress",
)  # fmt: skip
_JOBS = (
    "select id, state, reason, queue, task, args, priority, attempt, max_attempts, rescues, run_at, created_at, "
    "claimed_at, finished_at, elapsed, worker_id, retry_of, meta, errors, progress from {schema}.jobs "
)


def job(job_id: int) -> Call[list[dict[str, Any]]]:
    """The job with this id from the view `jobs`, as a list of none or one."""
    return Call(_JOBS + "where id = %s", (job_id,), records(*JOB_COLUMNS))
