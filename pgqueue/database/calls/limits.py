"""Limits and their current values; see sql/functions/limits."""

from datetime import datetime, timedelta
from typing import LiteralString, NamedTuple, cast

from ..acting import actor
from ..call import ALWAYS, WHOLE, Call, Rows, nothing


class LimitStatus(NamedTuple):
    """A key, its limit and its current values: a row of the view `limit_status`.

    Attributes:
        key: the key whose jobs are counted.
        limit_name: the limit that applies to the key: its own, or the limit of its name; None for a `fair` key without a limit.
        enabled, rate, per, burst, max_running, count_cost, weight, retry_blocks: the values of this limit.
        changed_at: when the limit was last changed.
        tokens: how many tokens it may spend now; below 0 after a job that cost more than the burst. This and the next three are
            None without a rate.
        used: tokens taken in the current period.
        remaining: tokens of the rate that are left in this period.
        burst_used: tokens of the burst that are taken.
        running, waiting: number of jobs under this key that run, and that are due and wait.
        wait_seconds: seconds until the next token, or until the key is opened if it is parked.
        parked_until: until when the key is parked; None if it is not.
    """

    key: str
    limit_name: str | None
    enabled: bool | None
    rate: float | None
    per: timedelta | None
    burst: float | None
    max_running: int | None
    count_cost: bool | None
    weight: int | None
    retry_blocks: bool | None
    changed_at: datetime | None
    tokens: float | None
    used: float | None
    remaining: float | None
    burst_used: float | None
    running: int
    waiting: int
    wait_seconds: float | None
    parked_until: datetime | None

    def unused(self, key: str) -> "LimitStatus":
        """The status of an unused key of the same limit."""
        used = None if self.rate is None else 0.0
        return self._replace(
            key=key,
            tokens=None if self.rate is None else self.burst,
            used=used,
            remaining=self.rate,
            burst_used=used,
            running=0,
            waiting=0,
            wait_seconds=used if self.enabled else None,
            parked_until=None,
        )


class LimitValues(NamedTuple):
    """The arguments of `set_limit`. None does not change a value, 0 removes a rate or max_running. `per` in seconds."""

    rate: float | None = None
    per: float | None = None
    burst: float | None = None
    max_running: int | None = None
    count_cost: bool | None = None
    weight: int | None = None
    retry_blocks: bool | None = None
    enabled: bool | None = None


class LimitStarts(NamedTuple):
    """A minute of a key.

    Attributes:
        at: its begin.
        starts: jobs of the key that started in it; None if it lies before `looked_to`.
        tokens: what they cost.
        looked_to: earlier minutes are not known, because more jobs have ended than are looked at; None = all are.
    """

    at: datetime
    starts: int | None
    tokens: int | None
    looked_to: datetime | None


_COLUMNS: LiteralString = (
    "key, limit_name, enabled, rate, per, burst, max_running, count_cost, weight, retry_blocks, changed_at, tokens, used, "
    "remaining, burst_used, running, waiting, wait_seconds, parked_until "
)
_STATUS: LiteralString = "select " + _COLUMNS + "from {schema}.limit_status "


def declare_limit(name: str, definition: str) -> Call[bool | None]:
    """Declare the definition of a limit in code (see `Limit.definition`).

    Returns whether the limit was changed; None if it was not because people have set it.
    """
    return Call("select {schema}.declare_limit(%s::text, %s::text::jsonb)", (name, definition), lambda rows: rows[0][0])


def set_limit(name: str, values: LimitValues, must_exist: bool = False) -> Call[None]:
    """Create or change a limit. `must_exist`: only change one."""
    return Call(
        "select {schema}.set_limit(%s::text, %s::float8, make_interval(secs => %s::float8), %s::float8, %s::int, %s::bool, "
        "%s::int, %s::bool, %s::bool, %s::text, %s::bool)",
        (name, *values, actor(), must_exist),
        nothing,
        repeat_within=ALWAYS,
    )


def delete_limit(name: str) -> Call[None]:
    """Remove a limit."""
    return Call("select {schema}.delete_limit(%s::text, %s::text)", (name, actor()), nothing)


def reset_limit(key: str) -> Call[int]:
    """Fill the bucket of a key, or the buckets of all keys of a name. Returns how many."""
    return Call("select {schema}.reset_limit(%s::text, %s::text)", (key, actor()), lambda rows: int(rows[0][0]))


def park(key: str, until: str | None, after: str | None, reason: str | None = None) -> Call[None]:
    """Park a key until a time, or for an interval from now on the clock of the database. Both are text; one is None."""
    return Call(
        "select {schema}.park(%s::text, coalesce(%s::text::timestamptz, clock_timestamp() + %s::text::interval), %s::text, "
        "%s::text)",
        (key, until, after, actor(), reason),
        nothing,
        repeat_within=ALWAYS,
    )


def park_from_job(key: str, until: str | None, after: str | None) -> Call[None]:
    """`park` for handlers, which the audit log leaves out."""
    return Call(
        "select {schema}.park_from_job(%s::text, coalesce(%s::text::timestamptz, clock_timestamp() + %s::text::interval))",
        (key, until, after),
        nothing,
        repeat_within=ALWAYS,
    )


def unpark(key: str) -> Call[bool]:
    """Open a key. Returns whether it was parked."""
    return Call("select {schema}.unpark(%s::text, %s::text)", (key, actor()), lambda rows: bool(rows[0][0]))


def sweep_lanes(after: str | None) -> Call[str | None]:
    """Repair missed lanes and keys. Returns where to continue; None at the end."""
    return Call("select next_after from {schema}.sweep_lanes(%s::text)", (after,), lambda rows: cast(str | None, rows[0][0]))


def limit_status() -> Call[list[LimitStatus]]:
    """Every limit, and every key in use."""
    return Call(_STATUS + "order by key", (), _statuses, within=WHOLE, repeat_within=ALWAYS)


def limit_page(after: str | None, limit: int) -> Call[list[LimitStatus]]:
    """The first limits and keys in use behind a key."""
    return Call(
        _STATUS + "where %s::text is null or key > %s::text order by key limit %s::int",
        (after, after, limit),
        _statuses,
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def list_limits(prefix: str | None, after: str | None, limit: int, count_to: int | None) -> Call[tuple[list[LimitStatus], bool]]:
    """`limit_page` of the keys with a prefix, which counts no more than so many waiting jobs of a key; None = all.

    The second value: so much waits or runs that not all of it was looked at, so keys may be missing.
    """
    return Call(
        "select " + _COLUMNS + "from {schema}.list_limits(%s::text, %s::text, %s::int, %s::int)",
        (prefix, after, limit, count_to),
        _some,
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def limit_starts(key: str, minutes: int) -> Call[list[LimitStarts]]:
    """How many jobs of a key started in each of the last minutes."""
    return Call(
        "select at, starts, tokens, looked_to from {schema}.limit_starts(%s::text, %s::int)",
        (key, minutes),
        lambda rows: [LimitStarts(*row) for row in rows],
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def limit_figures(key: str, count_to: int) -> Call[tuple[list[LimitStatus], bool]]:
    """`limit_status_of` that counts no more than so many waiting jobs; the second value as of `list_limits`."""
    one: LiteralString = "select " + _COLUMNS + "from {schema}.list_limits(%s::text, null, 1, %s::int) "
    return Call(
        "with own as materialized (" + one + "), of_name as (" + one + "where key = %s::text) "
        "select * from own where key = %s::text or key is null union all "
        "select * from of_name where not exists (select from own where key = %s::text)",
        (key, count_to, key.partition(":")[0], 0, key.partition(":")[0], key, key),
        lambda rows: _of_key(key, rows),
        repeat_within=ALWAYS,
    )


def limit_status_of(key: str) -> Call[list[LimitStatus]]:
    """The status of a key, as a list of at most one; an unused key has the values of its limit."""
    return Call(
        _STATUS + "where key = any (array[%s::text, split_part(%s::text, ':', 1)]) order by key = %s::text desc limit 1",
        (key, key, key),
        lambda rows: [one if one.key == key else one.unused(key) for one in _statuses(rows)],
        repeat_within=ALWAYS,
    )


def _statuses(rows: Rows) -> list[LimitStatus]:
    return [LimitStatus(*row) for row in rows]


def _some(rows: Rows) -> tuple[list[LimitStatus], bool]:
    """Statuses, and whether a row without a key says that not all was looked at."""
    return _statuses([row for row in rows if row[0] is not None]), any(row[0] is None for row in rows)


def _of_key(key: str, rows: Rows) -> tuple[list[LimitStatus], bool]:
    found, is_partial = _some(rows)
    return [one if one.key == key else one.unused(key) for one in found], is_partial
