"""Operations: bulk work over a filter; see sql/functions/operations."""

from datetime import datetime
from typing import Any, LiteralString, NamedTuple

from ..acting import actor
from ..call import ALWAYS, WHOLE, Call, Rows, one_value


class OperationStatus(NamedTuple):
    """An operation: a row of the view `operations`.

    Attributes:
        id: its id.
        kind: cancel, retry, discard or update.
        filter: the fields of its filter, as they were checked, with times for spans.
        spec: the options of the verb.
        by: who started it.
        reason: why; None if that was not said.
        state: collecting (finds the jobs), running, done or cancelled.
        dry_run: whether it only counts.
        per_second: the most jobs that it acts on in a second; None = no limit.
        matched: jobs that were found; all of them, once it is not collecting any more.
        done: jobs on which it has acted; of a dry run: on which it would act.
        did: the same by what became of them, such as {"cancelled": 90, "asked": 10}.
        skipped: jobs that were left alone.
        skipped_by_reason: the same by the reason, such as {"is succeeded": 2}.
        failed: jobs whose error was not expected.
        left_over: jobs that are still to do, or that were left when it was cancelled.
        errors: the last ten of those errors: {"job_id": 5, "message": "…"}.
        created_at, started_at, finished_at: when it was asked for, when it had found the jobs, when it was over.
        cancelled_by: who cancelled it; None if nobody did.
        next_at: when it goes on, if not now.
    """

    id: int
    kind: str
    filter: dict[str, Any]
    spec: dict[str, Any]
    by: str
    reason: str | None
    state: str
    dry_run: bool
    per_second: float | None
    matched: int
    done: int
    did: dict[str, int]
    skipped: int
    skipped_by_reason: dict[str, int]
    failed: int
    left_over: int
    errors: list[dict[str, Any]]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancelled_by: str | None
    next_at: datetime | None


_COLUMNS: LiteralString = (
    "select id, kind, filter, spec, by, reason, state, dry_run, per_second, matched, done, did, skipped, skipped_by_reason, "
    "failed, left_over, errors, created_at, started_at, finished_at, cancelled_by, next_at from {schema}.operations "
)


class Order(NamedTuple):
    """What an operation does.

    Attributes:
        kind: cancel, retry, discard or update.
        filter, spec: JSON text.
        by, reason: who, and why.
        dry_run: only count.
        per_second: the most jobs that it acts on in a second.
        is_all: needed for a filter that names nothing.
    """

    kind: str
    filter: str
    spec: str = "{}"
    by: str | None = None
    reason: str | None = None
    dry_run: bool = False
    per_second: float | None = None
    is_all: bool = False


class Preview(NamedTuple):
    """What an operation would be about.

    Attributes:
        filter: as it would be stored.
        jobs: how many match it now.
        is_over: whether these are all; False: there are at least so many.
    """

    filter: dict[str, Any]
    jobs: int
    is_over: bool


def preview_operation(kind: str, filter: str, is_all: bool = False, look: int = 100_000) -> Call[Preview]:
    """What an operation with this filter (JSON text) would be about, by a look at so many jobs; nothing is started."""
    return Call(
        "select means, jobs, is_over from {schema}.preview_operation(%s::text, %s::text::jsonb, %s::bool, %s::int)",
        (kind, filter, is_all, look),
        lambda rows: Preview(*rows[0]),
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def start_operation(order: Order) -> Call[int]:
    """Start an operation. Returns its id; a small one is done already."""
    return Call(
        "select id from {schema}.start_operation(%s::text, %s::text::jsonb, %s::text::jsonb, %s::text, %s::text, %s::bool, "
        "%s::float8, %s::bool)",
        tuple(order._replace(by=actor(order.by))),
        one_value,
        within=WHOLE,
    )


def carry_on_operations(most: int = 1000, only_id: int | None = None, within: float | None = None) -> Call[float | None]:
    """Take one step of an operation. Returns the seconds until the next one; None: there is none to take."""
    return Call("select {schema}.carry_on_operations(%s::int, %s::bigint)", (most, only_id), one_value, within=within)


def cancel_operation(operation_id: int, by: str | None) -> Call[int]:
    """End an operation; what is done stays."""
    return Call("select id from {schema}.cancel_operation(%s::bigint, %s::text)", (operation_id, actor(by)), one_value)


def operation(operation_id: int) -> Call[OperationStatus | None]:
    """An operation; None if there is none."""
    return Call(
        _COLUMNS + "where id = %s::bigint",
        (operation_id,),
        lambda rows: OperationStatus(*rows[0]) if rows else None,
        repeat_within=ALWAYS,
    )


def operations(only_open: bool = False, limit: int = 20, before: int | None = None) -> Call[list[OperationStatus]]:
    """The latest operations with an id below `before` (None = all); only those that are not over, if so wanted."""
    return Call(
        _COLUMNS  # the figures of the page only are put together
        + "where id = any (array(select o.id from {schema}.operation o "
        "where (not %s::bool or o.finished_at is null) and o.id < %s::bigint order by o.id desc limit %s::int)) order by id desc",
        (only_open, 2**63 - 1 if before is None else before, limit),
        _statuses,
        repeat_within=ALWAYS,
    )


def _statuses(rows: Rows) -> list[OperationStatus]:
    return [OperationStatus(*row) for row in rows]
