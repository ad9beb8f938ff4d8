"""The metrics as data: what each is, and what its labels are. SQL has their values: sql/functions/metrics/samples.sql."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

Kind = Literal["counter", "gauge", "info"]


class Family(NamedTuple):
    """A metric.

    Attributes:
        kind: a counter never goes back.
        says: what it is, in one line.
        labels: the names of its labels.
    """

    kind: Kind
    says: str
    labels: tuple[str, ...] = ()


FAMILIES: Mapping[str, Family] = {
    "pgqueue_jobs": Family("gauge", "Live jobs.", ("queue", "state")),
    "pgqueue_oldest_ready_seconds": Family("gauge", "Seconds for which the first ready job of a queue has been due.", ("queue",)),
    "pgqueue_jobs_without_worker": Family("gauge", "Live jobs whose task no worker knows.", ("queue",)),
    "pgqueue_dead_letters": Family("gauge", "Dead letters; above 200,000 one estimate, with the queue (all).", ("queue",)),
    "pgqueue_paused": Family("gauge", "1 for each pause; the kind is queue, task or everything.", ("kind", "name")),
    "pgqueue_jobs_ended_total": Family("counter", "Jobs that have ended, by outcome.", ("queue", "outcome")),
    "pgqueue_queue_wait_seconds_total": Family(
        "counter", "Seconds that jobs have waited from being due to their claim.", ("queue",)
    ),
    "pgqueue_queue_recent_wait_seconds": Family(
        "gauge", "Quantiles of that wait, of the last five minutes that are rolled up.", ("queue", "quantile")
    ),
    "pgqueue_task_jobs_ended_total": Family("counter", "Jobs that have ended, by outcome.", ("task", "outcome")),
    "pgqueue_task_failed_attempts_total": Family(
        "counter", "Failed attempts of jobs that have ended, those that were retried among them.", ("task",)
    ),
    "pgqueue_task_run_seconds_total": Family("counter", "Seconds in the handlers of last attempts.", ("task",)),
    "pgqueue_task_recent_run_seconds": Family(
        "gauge", "Quantiles of the time in handlers, of the last five minutes that are rolled up.", ("task", "quantile")
    ),
    "pgqueue_workers": Family(
        "gauge", "Workers: active, idle, paused, draining, or dead, which have missed their lease.", ("status",)
    ),
    "pgqueue_worker_slots": Family("gauge", "Jobs that the workers can run at once."),
    "pgqueue_worker_slots_used": Family("gauge", "Jobs that they run, by their last heartbeats."),
    "pgqueue_pool_workers_wanted": Family("gauge", "Workers that shall run in a pool.", ("pool",)),
    "pgqueue_pool_workers": Family("gauge", "Workers of a pool that run and are not about to end.", ("pool",)),
    "pgqueue_pool_workers_needed": Family("gauge", "Workers that the ready and running jobs of a pool need.", ("pool",)),
    "pgqueue_limit_rate": Family("gauge", "Tokens that the rate of a limit allows in its period.", ("key",)),
    "pgqueue_limit_used": Family("gauge", "Tokens that were taken in the current period.", ("key",)),
    "pgqueue_limit_max_running": Family("gauge", "Jobs that a limit lets run at once.", ("key",)),
    "pgqueue_limit_running": Family("gauge", "Jobs that run under a limit.", ("key",)),
    "pgqueue_limit_waiting": Family("gauge", "Ready jobs that have a limit.", ("key",)),
    "pgqueue_limit_parked_seconds": Family("gauge", "Seconds until a parked key opens.", ("key",)),
    "pgqueue_schedules": Family("gauge", "Schedules: enabled or paused.", ("state",)),
    "pgqueue_schedule_missed_ticks": Family("gauge", "Ticks of the last seven days that were missed.", ("schedule",)),
    "pgqueue_operations_open": Family("gauge", "Verbs on all jobs of a filter that are not done yet.", ("kind",)),
    "pgqueue_findings": Family("gauge", "What a worker has found wrong in the last three minutes.", ("severity",)),
    "pgqueue_rolled_up_timestamp_seconds": Family("gauge", "The time up to which the counters and the quantiles are."),
    "pgqueue_database_oldest_snapshot_seconds": Family("gauge", "Seconds of the oldest snapshot, which keeps dead rows."),
    "pgqueue_database_horizon_transactions": Family("gauge", "Transactions since the oldest snapshot."),
    "pgqueue_database_dead_rows": Family("gauge", "Dead rows of a table that vacuum has not removed.", ("table",)),
    "pgqueue_database_connections": Family("gauge", "Connections to this database."),
    "pgqueue_database_connections_max": Family("gauge", "Connections that the server allows."),
    "pgqueue_info": Family("info", "The version that has made the schema, and the name of the schema.", ("version", "schema")),
}
