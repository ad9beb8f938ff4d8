"""Live workers, and jobs of lost workers; see sql/functions/workers."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, LiteralString, NamedTuple
from uuid import UUID

from ..acting import actor
from ..call import ALWAYS, WHOLE, Call, Keys, Records, first_column, nothing, one_value, records

WORKER_COLUMNS: tuple[LiteralString, ...] = (
    "id", "name", "host", "pid", "version", "status", "queues", "concurrency", "running", "wake_mode", "started_at",
    "heartbeat_at", "lease", "loop_lag", "memory", "memory_limit", "cores", "cpu_seconds", "done", "failed", "last_error",
    "app_version", "told", "lost_because", "pool", "slot", "generation",
)  # fmt: skip
_SELECT_WORKERS: LiteralString = "select " + ", ".join(WORKER_COLUMNS) + " from {schema}.worker_status "
_WHOLE: tuple[LiteralString, ...] = (*WORKER_COLUMNS, "tasks")
_RUNNING: tuple[LiteralString, ...] = (
    "id", "task", "queue", "priority", "attempt", "max_attempts", "run_at", "claimed_at", "workflow_id", "progress",
)  # fmt: skip
# As attempt_number counts them, which readers of the table need not be allowed to call.
_ATTEMPTS: LiteralString = (
    "least(attempt + coalesce((terms->>'attempts_before')::int, 0), 32767), "
    "least(max_attempts + coalesce((terms->>'attempts_before')::int, 0), 32767)"
)
# About: the time counts from the start of the handler, which only its worker knows.
_ENDS_AT: LiteralString = (
    "least(case when (terms->>'timeout')::float8 <= 1000000000 then claimed_at "
    "+ make_interval(secs => (terms->>'timeout')::float8) end, deadline_at)"
)  # fmt: skip

Lost = Literal["crashed", "memory", "worker_shutdown"]


def register_worker(
    worker: UUID,
    name: str,
    host: str,
    pid: int,
    version: str,
    queues: list[str],
    concurrency: int,
    lease: float,
    schedules: list[str] | None = None,
    tasks: list[str] | None = None,
    about: Mapping[str, Any] | None = None,
) -> Call[None]:
    """Register a worker process.

    `schedules`, `tasks`: the names of those that its app declares; `about`: what else it says of itself, see the SQL function.
    """
    return Call(
        "select {schema}.register_worker(%s, %s, %s, %s, %s, %s, %s, make_interval(secs => %s), %s, %s, %s::text::jsonb)",
        (worker, name, host, pid, version, queues, concurrency, lease, schedules or [], tasks, json.dumps(about or {})),
        nothing,
    )


def retire_worker(worker: UUID, cut_off: list[int] | None = None) -> Call[list[int]]:
    """Remove a worker and give back the jobs that still run; `cut_off`: those whose handlers had begun. Returns their ids."""
    return Call("select * from {schema}.retire_worker(%s, %s)", (worker, cut_off or []), first_column)


class Beat(NamedTuple):
    """The answer to a heartbeat.

    Attributes:
        workers: the number of active workers.
        told: what the worker was told, drain or restart; None = nothing.
        stacks: whether somebody waits for its stacks.
    """

    workers: int
    told: str | None
    stacks: bool


def heartbeat(
    worker: UUID,
    started: list[int],
    wake_mode: str,
    timed: str | None = None,
    figures: Mapping[str, Any] | None = None,
) -> Call[Beat]:
    """Renew the lease.

    `timed`: the runs with a time limit, a JSON array; `figures`: what the worker has measured, see the SQL function.
    """
    return Call(
        "select workers, told, stacks from {schema}.heartbeat(%s, %s, %s, %s::text::jsonb, %s::text::jsonb)",
        (worker, started, wake_mode, timed, json.dumps(figures or {})),
        lambda rows: Beat(*rows[0]),
    )


def tell_worker(worker: UUID, what: str) -> Call[bool]:
    """Tell a worker to drain or to restart. Returns whether it was not told so before."""
    return Call("select {schema}.tell_worker(%s, %s::text, %s::text)", (worker, what, actor()), one_value, repeat_within=ALWAYS)


def ask_stacks(worker: UUID) -> Call[datetime]:
    """Ask a worker what it does just now. Returns when, on the clock of the database."""
    return Call("select {schema}.ask_stacks(%s, %s::text)", (worker, actor()), one_value, repeat_within=ALWAYS)


def answer_stacks(worker: UUID, stacks: str) -> Call[bool]:
    """What a worker that was asked does, a JSON object. Returns whether it was asked."""
    return Call("select {schema}.answer_stacks(%s, %s::text::jsonb)", (worker, stacks), one_value, repeat_within=ALWAYS)


def stacks_of(worker: UUID) -> Call[Records]:
    """What a worker has answered last, as a list of at most one; nothing after an hour."""
    return Call(
        "select worker_id, asked_at, asked_by, answered_at, stacks from {schema}.worker_stacks "
        "where worker_id = %s and asked_at > (clock_timestamp() - interval '1 hour')",
        (worker,),
        records("worker_id", "asked_at", "asked_by", "answered_at", "stacks"),
        repeat_within=ALWAYS,
    )


def worker_of_job(job_id: int) -> Call[UUID | None]:
    """The worker that runs a job; None if it does not run."""
    return Call(
        "select (select worker_id from {schema}.job where id = %s::bigint and state = 'running')",
        (job_id,),
        one_value,
        repeat_within=ALWAYS,
    )


def workers_named(name: str) -> Call[list[UUID]]:
    """The workers with this name or id that keep their lease."""
    return Call(
        "select id from {schema}.worker_status where (name = %s::text or id::text = %s::text) and status <> 'DEAD'",
        (name, name),
        first_column,
        repeat_within=ALWAYS,
    )


def mark_lost() -> Call[int]:
    """Mark workers as lost whose lease has ended. Returns how many."""
    return Call("select {schema}.mark_lost()", (), one_value)


def rescue(want: int = 1000, within: float | None = None, *, whole: bool = True) -> Call[int]:
    """Rescue at most `want` jobs from lost workers. Returns how many."""
    return Call("select {schema}.rescue(%s, %s)", (want, whole), one_value, within=within)


def bury_worker(worker: UUID, because: str, reason: Lost, running: list[int] | None, age: float) -> Call[int]:
    """Declare a worker lost whose process has ended, and rescue its jobs. Returns how many.

    `running`: the jobs that it had started, as it has said itself `age` seconds ago (None: unknown).
    """
    return Call(
        "select {schema}.bury_worker(%s, %s, %s::text::{schema}.final_reason, %s::bigint[], %s::float8)",
        (worker, because, reason, running, age),
        one_value,
        repeat_within=ALWAYS,
    )


def reconcile(worker: UUID, known: list[int], grace: float, claimed_within: float | None = None) -> Call[list[int]]:
    """Give back jobs that run under a worker but that the worker does not know. Returns their ids."""
    return Call(
        "select * from {schema}.reconcile(%s, %s, make_interval(secs => %s), make_interval(secs => %s))",
        (worker, known, grace, claimed_within),
        first_column,
    )


def has_work(queues: list[str], leave_out: list[str] | None = None) -> Call[bool]:
    """Whether these queues hold anything that runs, or is ready and of a task that is not in `leave_out`."""
    return Call("select {schema}.has_work(%s, %s::text[])", (queues, leave_out), one_value, repeat_within=ALWAYS)


def foreign_tasks(queues: list[str], tasks: list[str]) -> Call[list[str]]:
    """Tasks other than these of jobs that are ready in these queues, as far as a short look finds them."""
    return Call("select {schema}.foreign_tasks(%s, %s)", (queues, tasks), one_value, repeat_within=ALWAYS)


def queues_of(worker: UUID) -> Call[list[str] | None]:
    """The queues of an active worker; None if there is no such worker."""
    return Call(
        "select queues from {schema}.worker where id = %s and state = 'active'",
        (worker,),
        lambda rows: rows[0][0] if rows else None,
        repeat_within=ALWAYS,
    )


def queues_of_jobs(job_ids: list[int]) -> Call[dict[int, str]]:
    """The queues of live jobs, by id."""
    return Call("select id, queue from {schema}.job where id = any(%s)", (job_ids,), dict, repeat_within=ALWAYS)


def workers(status: str | None, before: Keys, limit: int) -> Call[Records]:
    """Workers, the newest first; None = any status. `before`: when it has started, and its id."""
    return Call(
        _SELECT_WORKERS
        + "where (started_at, id) < (coalesce(%s::text::timestamptz, 'infinity'), %s::text::uuid) "
        + "and (%s::text is null or status = %s) order by started_at desc, id desc limit %s::int",
        (before[0], before[1] or str(UUID(int=0)), status, status, limit),
        records(*WORKER_COLUMNS),
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def worker(worker_id: UUID) -> Call[Records]:
    """The worker with this id, as a list of at most one."""
    return Call(
        "select " + ", ".join(_WHOLE) + " from {schema}.worker_status where id = %s",
        (worker_id,),
        records(*_WHOLE),
        repeat_within=ALWAYS,
    )


def runs_of(worker_id: UUID, most: int) -> Call[Records]:
    """The jobs that a worker runs, the oldest first."""
    return Call(
        "select id, task, queue, priority, "
        + _ATTEMPTS
        + ", run_at, claimed_at, workflow_id, progress, (terms->>'timeout')::float8, "
        + _ENDS_AT
        + " from {schema}.job where worker_id = %s and state = 'running' order by id limit %s::int",
        (worker_id, most),
        records(*_RUNNING, "timeout", "ends_at"),
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def runs_of_each(most: int) -> Call[Records]:
    """The jobs that each worker runs, the oldest first, and for how long; at most so many of each.

    `started`: whether its handler had begun at the last heartbeat: a worker claims some jobs ahead.
    """
    return Call(
        "select w.id, j.* from {schema}.worker w cross join lateral ("
        "select id, task, queue, " + _ATTEMPTS + ", claimed_at, clock_timestamp() - claimed_at, id = any (w.started) "
        "from {schema}.job where worker_id = w.id and state = 'running' order by id limit %s::int) j order by w.id, j.id",
        (most,),
        records("worker_id", "id", "task", "queue", "attempt", "max_attempts", "claimed_at", "age", "started"),
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def worker_counts() -> Call[Records]:
    """Workers by status, with the jobs that they can run at once, and that they run."""
    return Call(
        "select status, count(*), coalesce(sum(concurrency), 0)::bigint, coalesce(sum(running), 0)::bigint "
        "from {schema}.worker_status group by status order by status",
        (),
        records("status", "workers", "slots", "running"),
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def rescues(worker_id: UUID | None, queue: str | None, before: Keys, limit: int) -> Call[Records]:
    """Rescued jobs by worker and queue, the latest first. `before`: the time of the last rescue, the worker, the queue."""
    names = ("worker_id", "queue", "rescued", "crashed", "last_rescued_at")
    return Call(
        "select worker_id, queue, rescued, crashed, last_rescued_at from {schema}.rescues "
        "where (last_rescued_at, worker_id, queue) < (coalesce(%s::text::timestamptz, 'infinity'), %s::text::uuid, %s::text) "
        "and (%s::uuid is null or worker_id = %s) and (%s::text is null or queue = %s) "
        "order by last_rescued_at desc, worker_id desc, queue desc limit %s::int",
        (before[0], before[1] or str(UUID(int=0)), before[2] or "", worker_id, worker_id, queue, queue, limit),
        records(*names),
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def task_names(most: int, queues: list[str] | None = None) -> Call[list[str]]:
    """The names of the tasks that active workers have, in order, at most so many; of workers of these queues only, if given."""
    return Call(
        "select distinct t.name from {schema}.worker w cross join unnest(w.tasks) as t(name) "
        "where w.state = 'active' and (%s::text[] is null or exists ("
        "select from unnest(w.queues) as q(queue) where q.queue = any (%s::text[]))) order by t.name limit %s::int",
        (queues, queues, most),
        first_column,
        repeat_within=ALWAYS,
    )
