"""Calls that read the views of sql/views.sql, each row as a dict."""

from collections.abc import Mapping
from datetime import datetime
from typing import LiteralString, NamedTuple

from ..call import ALWAYS, WHOLE, Call, Records, records
from .workers import WORKER_COLUMNS

# What `job` reads, in the order in which `pgqueue job` shows it.
JOB_COLUMNS: tuple[LiteralString, ...] = (
    "id", "state", "reason", "queue", "task", "args", "priority", "attempt", "max_attempts", "created_at", "run_at", "claimed_at",
    "finished_at", "elapsed", "rescues", "worker_id", "retry_of", "workflow_id", "limits", "cost", "expires_at",
    "deadline_at", "terms", "meta", "progress", "errors", "control",
)  # fmt: skip
_LARGE: Mapping[LiteralString, LiteralString] = {
    "args": "case when args_bytes <= %s then args end",
    "meta": "case when meta_bytes <= %s then meta end",
}
_BOUNDED: LiteralString = "select " + ", ".join([_LARGE.get(name, name) for name in JOB_COLUMNS]) + ", args_bytes, meta_bytes "
_JOBS: LiteralString = "select " + ", ".join(JOB_COLUMNS) + " from {schema}.jobs "


def job(job_id: int) -> Call[Records]:
    """The job with this id from the view `jobs`, as a list of at most one."""
    return Call(_JOBS + "where id = %s", (job_id,), records(*JOB_COLUMNS), repeat_within=ALWAYS)


def job_within(job_id: int, most: int) -> Call[Records]:
    """`job`, without arguments and meta that are longer than this, in bytes of JSON; it tells how long they are at least."""
    return Call(
        # What is long as it is stored is not unpacked to be measured.
        _BOUNDED + "from (select *, "
        "case when pg_column_size(args) > greatest(%s, 65536) then pg_column_size(args) else octet_length(args::text) end "
        "as args_bytes, "
        "case when pg_column_size(meta) > greatest(%s, 65536) then pg_column_size(meta) else octet_length(meta::text) end "
        "as meta_bytes from {schema}.jobs where id = %s offset 0) j",
        (most, most, most, most, job_id),
        records(*JOB_COLUMNS, "args_bytes", "meta_bytes"),
        repeat_within=ALWAYS,
    )


def workers() -> Call[Records]:
    """Every registered worker, the newest first."""
    return Call(
        "select " + ", ".join(WORKER_COLUMNS) + " from {schema}.worker_status order by started_at desc, id",
        (),
        records(*WORKER_COLUMNS),
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def queue_stats() -> Call[Records]:
    """Live jobs by queue, state and priority. `counted_at`: None = now; the time of the last count in a large install."""
    return Call(
        "select queue, state, priority, jobs, oldest, no_worker_for_task, counted_at from {schema}.queue_stats "
        "order by queue, state, priority desc",
        (),
        records("queue", "state", "priority", "jobs", "oldest", "no_worker_for_task", "counted_at"),
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def task_stats() -> Call[Records]:
    """Outcomes and run times of each task in the last hour, and its dead letters."""
    return Call(
        "select task, succeeded, cancelled, dead_letters, mean_seconds, p50_seconds, p95_seconds, p99_seconds "
        "from {schema}.task_stats order by task",
        (),
        records("task", "succeeded", "cancelled", "dead_letters", "mean_seconds", "p50_seconds", "p95_seconds", "p99_seconds"),
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def workflows(status: str | None = None, limit: int = 20) -> Call[Records]:
    """The newest workflows with their progress; None = any. `age` counts from the enqueue, `took` from there to the end."""
    return Call(
        "select id, name, status, nodes, open, blocked, scheduled, ready, running, succeeded, failed, cancelled, skipped, "
        "created_at, finished_at, repairs, clock_timestamp() - created_at, finished_at - created_at, "
        "(select n.task from {schema}.workflow_node n where n.workflow_id = w.id order by n.job_id limit 1) "
        "from {schema}.workflow_progress w where %s::text is null or status = %s order by id desc limit %s",
        (status, status, limit),
        records(
            "id", "name", "status", "nodes", "open", "blocked", "scheduled", "ready", "running", "succeeded", "failed",
            "cancelled", "skipped", "created_at", "finished_at", "repairs", "age", "took", "first_task",
        ),
        within=WHOLE,
        repeat_within=ALWAYS,
    )  # fmt: skip


def workflow_of(job_id: int) -> Call[int | None]:
    """The workflow of a node; None for a plain job."""
    return Call(
        "select (select workflow_id from {schema}.workflow_node where job_id = %s::bigint)",
        (job_id,),
        lambda rows: rows[0][0],
        within=WHOLE,
        repeat_within=ALWAYS,
    )


class Waited(NamedTuple):
    """What a job that is not over waits for; None for any other job.

    Attributes:
        unknown_since: since when no worker has had its task; None for one that runs or is blocked.
        put_off_at: when it was put off last: by a retry, its handler or a rescue.
    """

    unknown_since: datetime | None = None
    put_off_at: datetime | None = None


def waited(job_id: int) -> Call[Waited]:
    """What a job that is not over waits for."""
    return Call(
        "select {schema}.unknown_since(state, unknown_since, queue, task, run_at), put_off_at "
        "from {schema}.job where id = %s::bigint",
        (job_id,),
        lambda rows: Waited(*rows[0]) if rows else Waited(),
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def workflow_unknown(workflow_id: int) -> Call[dict[int, datetime]]:
    """`unknown_since` by job id, for the jobs of a workflow that have it."""
    return Call(
        "select u.id, u.since from ("
        "select j.id, {schema}.unknown_since(j.state, j.unknown_since, j.queue, j.task, j.run_at) as since "
        "from {schema}.workflow_node n join {schema}.job j on j.id = n.job_id "
        "where n.workflow_id = %s::bigint and (j.state = 'scheduled' or j.state = 'ready')) u where u.since is not null",
        (workflow_id,),
        lambda rows: {row[0]: row[1] for row in rows},
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def workflow_tasks(workflow_id: int) -> Call[Records]:
    """How many nodes of each task are in which state, in the order in which the tasks were added."""
    return Call(
        "select task, state, count(*), avg(elapsed)::float8, min(min(job_id)) over (partition by task) "
        "from {schema}.workflow_nodes where workflow_id = %s::bigint group by task, state order by 5, task, state",
        (workflow_id,),
        records("task", "state", "nodes", "mean_seconds", "first"),
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def workflow_failures(workflow_id: int, limit: int) -> Call[Records]:
    """The first dead letters of a workflow."""
    return Call(
        "select job_id, name, task, attempt, error->>'type', error->>'message' from {schema}.workflow_nodes "
        "where workflow_id = %s::bigint and state = 'failed' order by job_id limit %s",
        (workflow_id, limit),
        records("id", "name", "task", "attempt", "error_type", "error_message"),
        within=WHOLE,
        repeat_within=ALWAYS,
    )
