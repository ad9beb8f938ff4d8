"""Log lines of jobs, and watching jobs; see sql/functions/logs."""

from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

from ..._json import readable
from ..call import ALWAYS, Call, Records, Rows, nothing, records


class Kept(NamedTuple):
    """The answer of `add_log`: the jobs whose lines were refused, and what is kept of each job."""

    refused: list[int]
    most_lines: int
    most_bytes: int


class Watched(NamedTuple):
    """How a job stands (state None: there is none), and its lines behind those that were seen."""

    state: str | None
    reason: str | None
    attempt: int | None
    progress: dict[str, Any] | None
    lines: list[dict[str, Any]]


def add_log(worker: UUID, runs: str) -> Call[Kept]:
    """Keep log lines of runs, a JSON array. A repeated call adds no line twice."""
    return Call(
        "select refused, most_lines, most_bytes from {schema}.add_log(%s, %s)", (worker, runs), _kept, repeat_within=ALWAYS
    )


def _kept(rows: Rows) -> Kept:
    return Kept(*rows[0])


def watch(job_id: int, after: int, most: int, load: Callable[[str], Any] = readable) -> Call[Watched]:
    """How a job stands, and at most so many of its lines behind `after`; `load` reads JSON."""
    return Call(
        "select state::text, reason::text, attempt, progress::text, lines::text "
        "from {schema}.watch(%s::bigint, %s::bigint, %s::int)",
        (job_id, after, most),
        lambda rows: _watched(rows, load),
        repeat_within=ALWAYS,
    )


def last_lines(job_id: int, before: int | None, most: int) -> Call[Records]:
    """The last lines of a job, the last one first; those before one that the caller has seen, if there is one."""
    return Call(
        "select seq, at, attempt, level, message, fields from {schema}.job_logs "
        "where job_id = %s::bigint and seq < coalesce(%s::bigint, 9223372036854775807) order by seq desc limit %s::int",
        (job_id, before, most),
        records("seq", "at", "attempt", "level", "message", "fields"),
        repeat_within=ALWAYS,
    )


def _watched(rows: Rows, load: Callable[[str], Any]) -> Watched:
    state, reason, attempt, progress, lines = rows[0]
    return Watched(state, reason, attempt, progress and load(progress), load(lines) if lines else [])


def ask_watch(job_ids: list[int]) -> Call[None]:
    """Notify the workers that a process watches these jobs."""
    return Call("select {schema}.ask_watch(%s)", (job_ids,), nothing)
