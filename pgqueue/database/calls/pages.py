"""Pages of views whose lists can be long: each begins behind a row of the page before, which is named by texts of its keys."""

from typing import LiteralString
from uuid import UUID

from ..call import ALWAYS, WHOLE, Call, Records, records

Keys = tuple[str | None, ...]

_WORKFLOW: tuple[LiteralString, ...] = (
    "id", "name", "status", "nodes", "open", "blocked", "scheduled", "ready", "running", "succeeded", "failed", "cancelled",
    "skipped", "created_at", "finished_at", "cancelled_at", "repairs",
)  # fmt: skip
_NODE: tuple[LiteralString, ...] = (
    "job_id", "name", "task", "queue", "state", "waits_for", "attempt", "elapsed", "reason", "error", "progress", "created_at",
    "started_at", "ended_at",
)  # fmt: skip
_WORKER: tuple[LiteralString, ...] = (
    "id", "name", "host", "pid", "version", "status", "queues", "concurrency", "running", "wake_mode", "started_at",
    "heartbeat_at", "lease",
)  # fmt: skip
_SELECT_WORKERS: LiteralString = "select " + ", ".join(_WORKER) + " from {schema}.worker_status "
_RUNNING: tuple[LiteralString, ...] = (
    "id", "task", "queue", "priority", "attempt", "max_attempts", "run_at", "claimed_at", "workflow_id", "progress",
)  # fmt: skip


def workflows(status: str | None, before: Keys, limit: int) -> Call[Records]:
    """Workflows with their progress, the newest first; None = any status. `before`: the id."""
    return Call(
        "select " + ", ".join(_WORKFLOW) + " from {schema}.workflow_progress "
        "where id < coalesce(%s::text::bigint, 9223372036854775807) and (%s::text is null or status = %s) "
        "order by id desc limit %s::int",
        (before[0], status, status, limit),
        records(*_WORKFLOW),
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def nodes(workflow_id: int, after: Keys, limit: int) -> Call[Records]:
    """Nodes of a workflow in the order in which they were added. `after`: the id of the job."""
    return Call(
        "select " + ", ".join(_NODE) + " from {schema}.workflow_nodes "
        "where workflow_id = %s::bigint and job_id > coalesce(%s::text::bigint, 0) order by job_id limit %s::int",
        (workflow_id, after[0], limit),
        records(*_NODE),
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def workers(status: str | None, before: Keys, limit: int) -> Call[Records]:
    """Workers, the newest first; None = any status. `before`: when it has started, and its id."""
    return Call(
        _SELECT_WORKERS
        + "where (started_at, id) < (coalesce(%s::text::timestamptz, 'infinity'), %s::text::uuid) "
        + "and (%s::text is null or status = %s) order by started_at desc, id desc limit %s::int",
        (before[0], before[1] or str(UUID(int=0)), status, status, limit),
        records(*_WORKER),
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def worker(worker_id: UUID) -> Call[Records]:
    """The worker with this id, as a list of at most one."""
    return Call(_SELECT_WORKERS + "where id = %s", (worker_id,), records(*_WORKER), repeat_within=ALWAYS)


def runs_of(worker_id: UUID, most: int) -> Call[Records]:
    """The jobs that a worker runs, the oldest first."""
    return Call(
        "select "
        + ", ".join(_RUNNING)
        + " from {schema}.job where worker_id = %s and state = 'running' order by id limit %s::int",
        (worker_id, most),
        records(*_RUNNING),
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
