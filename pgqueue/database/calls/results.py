"""Results and waiting for them; see sql/functions/results."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from ..._json import readable
from ..call import ALWAYS, Call, Rows, first_column, nothing, one_value


class ResultRow(NamedTuple):
    """The state and the result of a job; see sql/functions/results/result.sql."""

    state: str | None
    reason: str | None
    value: Any
    expired: bool | None
    error: dict[str, Any] | None
    task: str | None
    expires_at: Any
    elapsed: float | None


class Kept(NamedTuple):
    """The state of a job, and for how many seconds its result is still kept (None: there is none)."""

    state: str | None
    ttl: float | None


def result(job_id: int, load: Callable[[str], Any] = readable) -> Call[ResultRow]:
    """The state and the result of a job. JSON comes as text, because each driver reads jsonb differently, or not at all; `load`
    reads it.
    """
    return Call(
        "select state, reason, value::text, expired, error::text, task, expires_at, elapsed from {schema}.result(%s::bigint)",
        (job_id,),
        lambda rows: _result_row(rows, load),
        repeat_within=ALWAYS,
    )


def _result_row(rows: Rows, load: Callable[[str], Any]) -> ResultRow:
    state, reason, value, expired, error, task, expires_at, elapsed = rows[0]
    value, error = (None if text is None else load(text) for text in (value, error))
    return ResultRow(state, reason, value, expired, error, task, expires_at, elapsed)


def result_within(job_id: int, most: int, load: Callable[[str], Any] = readable) -> Call[tuple[ResultRow, int | None]]:
    """`result`, without a value that is longer than this, in bytes of JSON; and how long it is."""
    return Call(
        "select state, reason, case when octet_length(value::text) <= %s then value::text end, expired, error::text, task, "
        "expires_at, elapsed, octet_length(value::text) from {schema}.result(%s::bigint)",
        (most, job_id),
        lambda rows: (_result_row([rows[0][:-1]], load), rows[0][-1]),
        repeat_within=ALWAYS,
    )


def kept(job_id: int) -> Call[Kept]:
    """Whether the result of a job is kept, and how long; without the result itself."""
    return Call(
        "select state, (extract(epoch from expires_at) - extract(epoch from clock_timestamp()))::float8 from {schema}.result(%s)",
        (job_id,),
        lambda rows: Kept(*rows[0]),
        repeat_within=ALWAYS,
    )


def extend_result(job_id: int, ttl: float) -> Call[datetime]:
    """Keep a result for this many seconds from now. Returns until when."""
    return Call(
        "select {schema}.extend_result(%s, make_interval(secs => %s::float8))", (job_id, ttl), one_value, repeat_within=ALWAYS
    )


def delete_result(job_id: int) -> Call[None]:
    """Remove a result now."""
    return Call("select {schema}.delete_result(%s)", (job_id,), nothing, repeat_within=ALWAYS)


def ended(job_ids: list[int]) -> Call[list[int]]:
    """Returns which of these jobs are over, or do not exist."""
    return Call("select * from {schema}.ended(%s)", (job_ids,), first_column, repeat_within=ALWAYS)


def wake_waiters(job_ids: list[int]) -> Call[None]:
    """Notify waiting processes that these jobs are over. This is a hint, so it does not wait for the disk: see `run.claim`."""
    return Call(
        "select {schema}.wake_waiters(%s) from set_config('synchronous_commit', 'off', true)",
        (job_ids,),
        nothing,
    )


def ask_results() -> Call[None]:
    """Notify the workers that a process waits for results."""
    return Call("select {schema}.ask_results()", (), nothing)
