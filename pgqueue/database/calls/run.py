"""Claim, finish and the calls in between; see sql/functions/run."""

from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from ..call import ALWAYS, Call, Rows, all_rows, first_column, one_value
from ..instants import microseconds


class Claimed(NamedTuple):
    """The result of a claim: rows in the order of `JobContext`, with times as in `instants`, jobs with limits first; and in how
    many seconds to look again at jobs that wait for a limit (None: none wait; below 0: they can be claimed now). `is_cut`: there
    are more jobs, but the arguments of all together would be too large for one claim.
    """

    rows: Rows
    again_in: float | None
    is_cut: bool = False


class Verdict(NamedTuple):
    """The verdict of `finish` on an outcome that did not simply end its job: scheduled, dead_letter, cancelled, busy or stale."""

    job_id: int
    verdict: str
    run_at: Any


class Plain(NamedTuple):
    """Runs that have succeeded without a result: their jobs, tokens and seconds, each as the text of an array."""

    ids: str
    tokens: str
    elapseds: str


class Completed(NamedTuple):
    """The answer of `complete` (None: done, else stale) and the id of its transaction."""

    verdict: str | None
    xid: str


class Promoted(NamedTuple):
    """How many jobs became ready, the seconds until the next job or schedule is due (None: none is to come), and whether
    schedules are due now (None: there are none to look at).
    """

    promoted: int
    next_in: float | None
    schedules_due: bool | None


# A claim need not survive a crash of the server: after it the job is ready, and the token finishes nothing. So a claim does not
# wait for the disk. Enqueue and finish must survive, so they wait; a flush of finish covers the claim before it. The setting is
# here and not in the function, because it lasts until the end of the transaction, and other callers may do more in theirs.
_COLUMNS: LiteralString = (
    "select c.id, c.queue, c.task, c.args::text, c.attempt, c.max_attempts, c.priority, "
    "timestamptz_send(c.run_at), timestamptz_send(c.created_at), "
    "c.meta::text, c.node::text, c.limits, c.terms::text from "
)
_CLAIM: LiteralString = _COLUMNS + "set_config('synchronous_commit', 'off', true), {schema}.claim(%s, %s, %s, %s, %s, %s, %s) c"
_CLAIM_BUT: LiteralString = (
    _COLUMNS + "set_config('synchronous_commit', 'off', true), {schema}.claim(%s, %s, %s, %s, %s, %s, %s, %s) c"
)


_FINISH_PLAIN: LiteralString = "select * from {schema}.finish(%s, %s, %s::bigint[], %s::uuid[], %s::real[])"


def claim(
    worker: UUID,
    token: UUID,
    queues: list[str],
    want: int,
    weights: list[float] | None,
    resume_at: str | None,
    limited: int | None = None,
    leave_out: list[str] | None = None,
) -> Call[Claimed]:
    """Take up to `want` ready jobs under one token, at most `limited` of them with limits (None: all), and none of the tasks in
    `leave_out`.
    """
    given = (worker, token, queues, want, weights, resume_at, limited)
    return Call(_CLAIM_BUT, (*given, leave_out), _claimed) if leave_out else Call(_CLAIM, given, _claimed)


def _claimed(rows: Rows) -> Claimed:
    if rows and rows[-1][0] is None:
        said = rows.pop()
        again_at, now = map(microseconds, said[7:9])
        return Claimed(rows, (again_at - now) / 1e6, said[1] == "!large")
    return Claimed(rows, None)


def claimed_jobs(worker: UUID, token: UUID) -> Call[Rows]:
    """What a claim has got that is asked again: rows as of `claim`."""
    return Call(_COLUMNS + "{schema}.claimed_jobs(%s, %s) c", (worker, token), all_rows, repeat_within=ALWAYS)


def confirm(worker: UUID, outcomes: str) -> Call[dict[int, str]]:
    """What is known of stale outcomes (a JSON array), by job: repeated, unconfirmed or stale."""
    return Call("select job_id, verdict from {schema}.confirm(%s, %s)", (worker, outcomes), dict, repeat_within=ALWAYS)


def finish(outcomes: str | None, additions: str | None = None, plain: Plain | None = None) -> Call[list[Verdict]]:
    """Report outcomes (a JSON array), the nodes that their jobs add to workflows (another array), and runs without a result.
    Returns the verdicts on those that did not simply end their job.
    """
    if plain is not None:
        return Call(_FINISH_PLAIN, (outcomes, additions, *plain), _verdicts)
    if additions is None:
        return Call("select * from {schema}.finish(%s)", (outcomes,), _verdicts)
    return Call("select * from {schema}.finish(%s, %s)", (outcomes, additions), _verdicts)


def _verdicts(rows: Rows) -> list[Verdict]:
    return [Verdict(*row) for row in rows]


def complete(job_id: int, token: str, result: str | None, elapsed: float, nodes: str | None = None) -> Call[Completed]:
    """Finish a job as the last statement of its handler's transaction. `result` and `nodes` (for its workflow) are JSON text."""
    return Call(
        "select {schema}.complete(%s::bigint, %s::text::uuid, %s::text::jsonb, %s::float8::real, %s::text::jsonb), "
        "pg_current_xact_id()::text",
        (job_id, token, result, elapsed, nodes),
        lambda rows: Completed(*rows[0]),
    )


def mark(token: str) -> Call[object]:
    """Mark a transaction of the application as that of a `complete_marked`, before its other statements."""
    return Call("select set_config('pgqueue.block', %s::text, true)", (token,), one_value)


def complete_marked(job_id: int, token: str, result: str | None, elapsed: float, nodes: str | None = None) -> Call[Completed]:
    """`complete` in a transaction of the application. The verdict is unmarked, and nothing was done, if it is not in the
    transaction that was marked.
    """
    return Call(
        "select case when current_setting('pgqueue.block', true) = %s::text "
        "then {schema}.complete(%s::bigint, %s::text::uuid, %s::text::jsonb, %s::float8::real, %s::text::jsonb) "
        "else 'unmarked' end, pg_current_xact_id()::text",
        (token, job_id, token, result, elapsed, nodes),
        lambda rows: Completed(*rows[0]),
    )


def finished(job_id: int, token: str, xid: str) -> Call[str]:
    """The state of a transaction whose COMMIT was never answered: pending, committed, running or lost."""
    return Call(
        "select {schema}.finished(%s::bigint, %s::text::uuid, %s::text::xid8)",
        (job_id, token, xid),
        one_value,
        repeat_within=ALWAYS,
    )


def progress(job_id: int, token: str, done: float, total: float | None, note: str | None) -> Call[bool]:
    """Store the progress of a running job. Returns False if the token no longer owns the job. Progress may be lost, so the call
    does not wait for the disk.
    """
    return Call(
        "select {schema}.progress(%s::bigint, %s::text::uuid, %s::float8, %s::float8, %s::text) "
        "from set_config('synchronous_commit', 'off', true)",
        (job_id, token, done, total, note),
        one_value,
        repeat_within=ALWAYS,
    )


def give_back(token: UUID, job_ids: list[int]) -> Call[list[int]]:
    """Give back unstarted jobs of one claim. Returns their ids."""
    return Call("select * from {schema}.give_back(%s, %s)", (token, job_ids), first_column)


def promote(want: int = 1000) -> Call[Promoted]:
    """Make due jobs ready."""
    return Call("select * from {schema}.promote(%s)", (want,), lambda rows: Promoted(*rows[0]))


def note_soft_timeouts(runs: str) -> Call[list[int]]:
    """Note soft timeouts (a JSON array) with their jobs. Returns the ids of jobs that are locked: for them nothing was noted."""
    return Call("select * from {schema}.note_soft_timeouts(%s)", (runs,), first_column, repeat_within=ALWAYS)
