"""Pauses and settings of queues; see sql/functions/queues."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal, LiteralString, NamedTuple

from ..acting import actor
from ..call import ALWAYS, WHOLE, Call, Records, Rows, nothing, one_value, records

Kind = Literal["queue", "task", "everything"]


class Pause(NamedTuple):
    """What is paused: a row of the view `pauses`.

    Attributes:
        kind: queue, task or everything.
        name: of the queue or the task; "" of everything.
        paused_at: since when.
        until: when it ends; None = when somebody resumes it.
        by: who has paused it.
        reason: why; None if nobody said.
    """

    kind: Kind
    name: str
    paused_at: datetime
    until: datetime | None
    by: str
    reason: str | None

    @property
    def subject(self) -> str:
        """What is paused, in words."""
        return f"{self.kind} {self.name}".rstrip()

    def said(self, at: Callable[[datetime], str]) -> str:
        """The pause in one line. `at`: writes a time."""
        until = f" until {at(self.until)}" if self.until else ""
        reason = f": {self.reason}" if self.reason else ""
        return " ".join(f"{self.subject} is paused{until} by {self.by}{reason}".split())


class Draining(NamedTuple):
    """How many jobs of a queue run, and the transactions that may be claims which do not know of its pause."""

    running: int
    claims: list[str]


class Look(NamedTuple):
    """What a worker says and does about queues.

    Attributes:
        has_depths: whether any queue has max_ready.
        is_large: whether live jobs are counted beforehand.
        peers: active workers that serve the queue, of those asked about, which the fewest serve.
        pauses: what is paused.
    """

    has_depths: bool
    is_large: bool
    peers: int
    pauses: list[Pause]


class Swept(NamedTuple):
    """In how many seconds to sweep again (None: no queue has max_ready), and how many jobs of which queues were cancelled."""

    next_in: float | None
    dropped: dict[str, int]


_PAUSES: LiteralString = "select kind, name, paused_at, until, by, reason from {schema}.pauses "
# The columns of the view `queues`, in the order in which `pgqueue queues` shows them.
QUEUE_COLUMNS: tuple[LiteralString, ...] = (
    "name", "ready", "running", "scheduled", "blocked", "oldest", "workers", "paused_at", "paused_until", "paused_by",
    "pause_reason", "max_ready", "on_full", "dropped", "starvation_after", "starvation_share", "keep_succeeded", "keep_cancelled",
    "dead_days", "counted_at",
)  # fmt: skip
SETTING_COLUMNS: tuple[LiteralString, ...] = (
    "max_ready", "on_full", "starvation_after", "starvation_share", "keep_succeeded", "keep_cancelled", "dead_days",
)  # fmt: skip


def pause(kind: str, name: str | None, until: str | None, after: str | None, by: str | None, reason: str | None) -> Call[bool]:
    """Pause until a time, or for an interval on the clock of the database; both are text. Returns whether it was not paused."""
    return Call(
        "select {schema}.pause(%s::text, %s::text, %s::text::timestamptz, %s::text, %s::text, %s::text::interval)",
        (kind, name, until, actor(by), reason, after),
        one_value,
        repeat_within=ALWAYS,
    )


def resume(kind: str, name: str | None) -> Call[bool]:
    """End a pause. Returns whether it was paused."""
    return Call("select {schema}.resume(%s::text, %s::text, %s::text)", (kind, name, actor()), one_value)


def pauses() -> Call[list[Pause]]:
    """Everything that is paused."""
    return Call(_PAUSES + "order by kind, name", (), lambda rows: [Pause(*row) for row in rows], repeat_within=ALWAYS)


def pause_page(kind: str, name: str, limit: int) -> Call[list[Pause]]:
    """The first pauses behind this kind and name; both may be empty."""
    return Call(
        _PAUSES + "where (kind, name) > (%s::text, %s::text) order by kind, name limit %s::int",
        (kind, name, limit),
        lambda rows: [Pause(*row) for row in rows],
        repeat_within=ALWAYS,
    )


def pauses_of_queue(queue: str) -> Call[list[Pause]]:
    """The pauses for which every job of this queue waits."""
    return Call(
        _PAUSES + "where kind = 'everything' or kind = 'queue' and name = %s::text order by kind, name",
        (queue,),
        lambda rows: [Pause(*row) for row in rows],
        repeat_within=ALWAYS,
    )


def pause_of(kind: str, name: str) -> Call[list[Pause]]:
    """One pause, as a list of at most one."""
    return Call(
        _PAUSES + "where kind = %s::text and name = %s::text",
        (kind, name),
        lambda rows: [Pause(*row) for row in rows],
        repeat_within=ALWAYS,
    )


def pauses_of(queue: str, task: str) -> Call[list[Pause]]:
    """The pauses for which a job of this queue and task waits."""
    return Call(
        _PAUSES + "where kind = 'everything' or kind = 'queue' and name = %s or kind = 'task' and name = %s order by kind, name",
        (queue, task),
        lambda rows: [Pause(*row) for row in rows],
        repeat_within=ALWAYS,
    )


def draining(queue: str, before: list[str] | None) -> Call[Draining]:
    """What runs in a paused queue. `before`: the claims of the call before; None in the first call."""
    return Call(
        "select running, claims from {schema}.draining(%s::text, %s::text[])",
        (queue, before),
        lambda rows: Draining(*rows[0]),
        repeat_within=ALWAYS,
    )


def look_at_queues(queues: list[str]) -> Call[Look]:
    """What a worker of these queues says and does about queues."""
    return Call("select * from {schema}.look_at_queues(%s::text[])", (queues,), _look)


def _look(rows: Rows) -> Look:
    return Look(bool(rows[0][0]), bool(rows[0][1]), int(rows[0][2]), [Pause(*row[3:]) for row in rows if row[3] is not None])


def sweep_queues() -> Call[Swept]:
    """Count the ready jobs of queues with max_ready, and cancel the oldest of some."""
    return Call("select next_in, dropped from {schema}.sweep_queues()", (), lambda rows: Swept(rows[0][0], rows[0][1] or {}))


def queues() -> Call[Records]:
    """Every queue that holds live jobs, is served, has settings or is paused."""
    statement: LiteralString = "select " + ", ".join(QUEUE_COLUMNS) + " from {schema}.queues order by name"
    return Call(statement, (), records(*QUEUE_COLUMNS), within=WHOLE, repeat_within=ALWAYS)


def queue_page(after: str | None, only: list[str] | None, limit: int) -> Call[Records]:
    """The first queues behind a name, of these names; None = any."""
    statement: LiteralString = (
        "select " + ", ".join(QUEUE_COLUMNS) + " from {schema}.queues where (%s::text is null or name > %s::text) "
        "and (%s::text[] is null or name = any (%s::text[])) order by name limit %s::int"
    )
    return Call(statement, (after, after, only, only, limit), records(*QUEUE_COLUMNS), within=WHOLE, repeat_within=ALWAYS)


def depth_of(queue: str) -> Call[Records]:
    """Live jobs of a queue by state and priority; the columns are those of `queue_stats`."""
    return Call(
        "select state, priority, jobs, oldest, no_worker_for_task from {schema}.queue_stats where queue = %s::text "
        "order by state, priority desc",
        (queue,),
        records("state", "priority", "jobs", "oldest", "no_worker_for_task"),
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def workers_of(queue: str, limit: int) -> Call[Records]:
    """The workers that serve a queue, the newest first, and those that have missed their lease."""
    return Call(
        "select id, name, host, status, concurrency, running from {schema}.worker_status where %s::text = any (queues) "
        "order by started_at desc, id limit %s::int",
        (queue, limit),
        records("id", "name", "host", "status", "concurrency", "running"),
        repeat_within=ALWAYS,
    )


def settings_of(queue: str) -> Call[Records]:
    """The settings of a queue, as a list of at most one; a queue that has only defaults may have none."""
    return Call(
        "select max_ready, on_full, starvation_after, starvation_share, keep_succeeded, keep_cancelled, dead_days "
        "from {schema}.queue where name = %s::text",
        (queue,),
        records(*SETTING_COLUMNS),
        repeat_within=ALWAYS,
    )


def set_queue(name: str, settings: str) -> Call[None]:
    """Change settings of a queue, a JSON object."""
    return Call(
        "select {schema}.set_queue(%s::text, %s::text::jsonb, %s::text)", (name, settings, actor()), nothing, repeat_within=ALWAYS
    )


def reset_queue(name: str) -> Call[bool]:
    """Give all settings of a queue their defaults. Returns whether it had any."""
    return Call("select {schema}.reset_queue(%s::text, %s::text)", (name, actor()), one_value)
