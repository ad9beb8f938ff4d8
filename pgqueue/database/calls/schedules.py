"""Schedules and their ticks; see sql/functions/schedules."""

from datetime import datetime, timedelta
from typing import Any, Literal, LiteralString, NamedTuple

from ..._json import readable, readable_exactly
from ..acting import actor
from ..call import ALWAYS, WHOLE, Call, Rows, first_column, nothing


class ScheduleStatus(NamedTuple):
    """A schedule: a row of the view `schedules`.

    Attributes:
        name: its name.
        task: the task of its jobs.
        cron: its expressions; None if it has an interval.
        every: seconds between two ticks; None if it has expressions.
        timezone: the zone of the expressions.
        enabled: whether it is not paused.
        paused_at: since when it is paused; None if it is not.
        next_tick: None if it has ended, or until a worker has computed it.
        last_tick, last_outcome, last_reason: the last tick for which a job was to be made, and what became of it; None before the
            first. Ticks that were missed, or fell into a pause, are in `schedule_ticks` only.
        last_job_id: the last job that it has made; None if there is none.
        misfires: ticks of the last seven days that were missed: skipped, or another one stood for them.
        declared_by: "code", or "people" if no code has declared it.
        is_orphaned: code has declared it, but no worker that is active now does.
        overlap, misfire: its policies.
        error: why its next tick cannot be computed; None if it can.
        looked_at: when a worker looked for due schedules last, within some seconds; None if none has.
        definition: everything that was set, without defaults. Its "job" is text if the arguments are nested too deep to be read.
    """

    name: str
    task: str
    cron: list[str] | None
    every: float | None
    timezone: str
    enabled: bool
    paused_at: datetime | None
    next_tick: datetime | None
    last_tick: datetime | None
    last_outcome: str | None
    last_reason: str | None
    last_job_id: int | None
    misfires: int
    declared_by: str
    is_orphaned: bool
    overlap: str
    misfire: str
    error: str | None
    looked_at: datetime | None
    definition: dict[str, Any]


class ScheduleTick(NamedTuple):
    """What became of a tick: a row of the view `schedule_ticks`.

    Attributes:
        schedule: the name of the schedule.
        tick: the time that it stands for.
        outcome: "fired", "buffered", "coalesced", "skipped" or "failed".
        reason: why, if it is not the usual case: such as "missed", "overlap", "paused", "duplicate", or an error.
        job_id: its job, or the one that stands for it or in its way; None if there is none.
        stands_for: how many ticks it stands for.
        fired_at: when this was decided.
    """

    schedule: str
    tick: datetime
    outcome: str
    reason: str | None
    job_id: int | None
    stands_for: int
    fired_at: datetime


class DueSchedule(NamedTuple):
    """A schedule that is to be looked at, as `due_schedules` has seen it.

    Attributes:
        name: its name.
        definition: JSON text without the job.
        after_at: no tick up to this time fires.
        next_tick: the next tick as it is stored; None if it is to be computed.
        seen_at: the time of the database.
    """

    name: str
    definition: str
    after_at: datetime
    next_tick: datetime | None
    seen_at: datetime


class FiredTick(NamedTuple):
    """A tick that `fire_schedules` has decided; the attributes are those of `ScheduleTick`."""

    schedule: str
    tick: datetime
    outcome: str
    reason: str | None
    job_id: int | None
    stands_for: int


_STATUS: LiteralString = (
    "select name, task, cron, every, timezone, enabled, paused_at, next_tick, last_tick, last_outcome::text, last_reason, "
    "last_job_id, misfires, declared_by, is_orphaned, overlap, misfire, error, looked_at, "
    "(definition - 'job')::text, (definition->'job')::text "
    "from {schema}.schedules "
)


def due_schedules(want: int) -> Call[list[DueSchedule]]:
    """Up to `want` schedules that are due."""
    return Call(
        "select name, definition::text, after_at, next_tick, seen_at from {schema}.due_schedules(%s)",
        (want,),
        lambda rows: [DueSchedule(*row) for row in rows],
    )


def fire_schedules(fires: str) -> Call[list[FiredTick]]:
    """Let due ticks fire (a JSON array, see the function). Returns the ticks that this call has decided."""
    return Call(
        "select name, tick, outcome::text, reason, job_id, stands_for from {schema}.fire_schedules(%s::text::jsonb)",
        (fires,),
        lambda rows: [FiredTick(*row) for row in rows],
    )


def declare_schedule(name: str, definition: str) -> Call[list[str] | None]:
    """Declare the definition of a schedule in code (JSON text).

    Returns the names of the fields that were changed; None if none was because people have made the schedule.
    """
    return Call("select {schema}.declare_schedule(%s::text, %s::text::jsonb)", (name, definition), lambda rows: rows[0][0])


def orphaned_schedules() -> Call[list[str]]:
    """The names of schedules that code has declared, but no active worker declares."""
    return Call("select * from {schema}.orphaned_schedules()", (), first_column, repeat_within=ALWAYS)


def set_schedule(name: str, changes: str, only: Literal["new", "existing"] | None = None) -> Call[str]:
    """Make or change a schedule (JSON text), or only one of both. Returns "added", "changed" or "unchanged"."""
    return Call(
        "select {schema}.set_schedule(%s::text, %s::text::jsonb, %s::text, %s::text)",
        (name, changes, actor(), only),
        lambda rows: str(rows[0][0]),
    )


def delete_schedule(name: str) -> Call[None]:
    """Remove a schedule."""
    return Call("select {schema}.delete_schedule(%s::text, %s::text)", (name, actor()), nothing)


def pause_schedule(name: str) -> Call[bool]:
    """Pause a schedule. Returns False if it was paused."""
    return Call("select {schema}.pause_schedule(%s::text, %s::text)", (name, actor()), lambda rows: bool(rows[0][0]))


def resume_schedule(name: str) -> Call[bool]:
    """Resume a schedule. Returns False if it was not paused."""
    return Call("select {schema}.resume_schedule(%s::text, %s::text)", (name, actor()), lambda rows: bool(rows[0][0]))


def trigger_schedule(name: str) -> Call[int]:
    """Make the job of a schedule now. Returns its id."""
    return Call("select {schema}.trigger_schedule(%s::text, %s::text)", (name, actor()), lambda rows: int(rows[0][0]))


def backfill_schedule(name: str, ticks: list[datetime], dry_run: bool = False, priority: int | None = None) -> Call[int]:
    """Make the jobs of past ticks that have not fired. Returns how many; with `dry_run` how many it would make."""
    return Call(
        "select {schema}.backfill_schedule(%s::text, %s::timestamptz[], %s::bool, %s::int, %s::text)",
        (name, ticks, dry_run, priority, actor()),
        lambda rows: int(rows[0][0]),
        within=WHOLE,
    )


def schedules() -> Call[list[ScheduleStatus]]:
    """Every schedule."""
    return Call(_STATUS + "order by name", (), _statuses, within=WHOLE, repeat_within=ALWAYS)


def schedule(name: str) -> Call[list[ScheduleStatus]]:
    """One schedule, as a list of at most one."""
    return Call(_STATUS + "where name = %s::text", (name,), _statuses, repeat_within=ALWAYS)


def exact_schedule(name: str) -> Call[list[ScheduleStatus]]:
    """`schedule` whose arguments have their numbers as they were given."""
    return Call(_STATUS + "where name = %s::text", (name,), _exact_statuses, repeat_within=ALWAYS)


def schedule_page(
    after: str | None, queues: list[str] | None, limit: int, prefix: str | None = None
) -> Call[list[ScheduleStatus]]:
    """The first schedules behind a name, whose jobs are for these queues; None = any. Numbers are as in `exact_schedule`."""
    beyond = None if prefix is None else prefix + chr(0x10FFFF)
    return Call(
        _STATUS + "where (%s::text is null or name > %s::text) and (%s::text is null or name >= %s::text and name < %s::text) "
        "and (%s::text[] is null or coalesce(definition->'job'->>'queue', 'default') = any (%s::text[])) "
        "order by name limit %s::int",
        (after, after, prefix, prefix, beyond, queues, queues, limit),
        _exact_statuses,
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def last_ticks(names: list[str], most: int) -> Call[dict[str, list[ScheduleTick]]]:
    """The last ticks of each of these schedules, the newest first, by name; schedules without any are left out."""
    return Call(
        "select t.schedule, t.tick, t.outcome::text, t.reason, t.job_id, t.stands_for, t.fired_at "
        "from unnest(%s::text[]) as n(name) cross join lateral ("
        "select * from {schema}.schedule_ticks where schedule = n.name order by tick desc limit %s::int) t "
        "order by t.schedule, t.tick desc",
        (names, most),
        _by_schedule,
        repeat_within=ALWAYS,
    )


def jitters(name: str, ticks: list[datetime], jitter: float) -> Call[list[timedelta]]:
    """How long after each of these ticks its job is due."""
    return Call(
        "select {schema}.jitter_of(%s::text, tick, %s::float8) from unnest(%s::timestamptz[]) with ordinality as t(tick, place) "
        "order by place",
        (name, jitter, ticks),
        first_column,
        repeat_within=ALWAYS,
    )


def schedule_ticks(name: str, limit: int, before: str | None = None) -> Call[list[ScheduleTick]]:
    """The last ticks of a schedule, the newest first; those before a time, which is text, if it is given."""
    return Call(
        "select schedule, tick, outcome::text, reason, job_id, stands_for, fired_at from {schema}.schedule_ticks "
        "where schedule = %s::text and (%s::text is null or tick < %s::text::timestamptz) order by tick desc limit %s",
        (name, before, before, limit),
        lambda rows: [ScheduleTick(*row) for row in rows],
        repeat_within=ALWAYS,
    )


def _statuses(rows: Rows) -> list[ScheduleStatus]:
    # Apart, because the arguments may be nested too deep to be read.
    return [ScheduleStatus._make([*row[:-2], {**readable(row[-2]), "job": readable(row[-1])}]) for row in rows]


def _exact_statuses(rows: Rows) -> list[ScheduleStatus]:
    return [ScheduleStatus._make([*row[:-2], {**readable(row[-2]), "job": readable_exactly(row[-1])}]) for row in rows]


def _by_schedule(rows: Rows) -> dict[str, list[ScheduleTick]]:
    found: dict[str, list[ScheduleTick]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(ScheduleTick(*row))
    return found
