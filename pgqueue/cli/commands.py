"""The commands by panel of `pgqueue --help`. Each is imported when it is asked for: all of them take half a second of CPU time.

The text is what the list of commands says; it is the first paragraph of the command's own help, and a test holds it to that.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Listed(NamedTuple):
    """A command in the list.

    Attributes:
        name: as it is typed.
        where: module:attribute in this package: its function, or the Typer of a group.
        text: what it does.
    """

    name: str
    where: str
    text: str


PANELS: Mapping[str, tuple[Listed, ...]] = {
    "Run": (
        Listed(
            "migrate",
            "migrate:migrate",
            "Install pgqueue in a schema, or upgrade it to this version. Safe to run at every start, by many processes at once.",
        ),
        Listed(
            "worker",
            "worker:worker",
            "Run jobs, and log to stdout. SIGTERM or Ctrl-C ends the worker within the grace, a second signal ends it at once.",
        ),
        Listed(
            "agent",
            "agent:agent",
            "Run workers of a pool on this machine, as many as the pool has for it. Any number of machines may run agents "
            "of a pool.",
        ),
        Listed("serve", "serve:serve", "Serve the dashboard and the REST API, and log to stdout."),
        Listed(
            "dev",
            "dev:dev",
            "Develop: bring the schema up to date, run a worker that starts again with each saved file, and serve the dashboard.",
        ),
        Listed("enqueue", "enqueue:enqueue", "Add a job. The task need not be known here: a worker that has it will run it."),
    ),
    "Look": (
        Listed(
            "stats",
            "stats:stats",
            "Show live jobs by queue, which of them no worker may run, and the outcomes of each task in the last hour.",
        ),
        Listed(
            "metrics",
            "metrics:metrics",
            "Show rates, outcomes, durations and waits of the last minutes: of all jobs, by queue and by task.",
        ),
        Listed(
            "top",
            "top:top",
            "Watch queues, rates, latency, workers and what is wrong. Keys sort the table, t shows tasks, q quits.",
        ),
        Listed("monitor", "top:top", "The same as top."),
        Listed(
            "workers",
            "workers:workers",
            "List worker processes: ACTIVE, IDLE, PAUSED, DRAINING, or DEAD if a worker has missed its lease; and what they run.",
        ),
        Listed(
            "stacks",
            "stacks:stacks",
            "Show what a worker does just now: its threads, asyncio tasks and processes, with their jobs; files and lines, "
            "never values.",
        ),
        Listed("jobs", "job_list:jobs", "List jobs, live and finished."),
        Listed("job", "jobs:job", "Show one job: every attempt that failed and why, and its result."),
        Listed(
            "explain",
            "explain:explain",
            "Say why a job does not run and when it will, who runs it, or how it has ended. The decisive cause comes first.",
        ),
        Listed(
            "dead",
            "dead:dead",
            "Show dead letters, the latest first: jobs that failed for good, and why; or what many of them have in common.",
        ),
        Listed(
            "audit",
            "audit:audit",
            "List what people have done, the newest first: who, when, to what, and what it was before.",
        ),
    ),
    "Act on jobs": (
        Listed(
            "retry",
            "retry:retry",
            "Run jobs again: by id waiting ones, dead letters (same id) or finished ones (a new job); by a filter the dead "
            "letters.",
        ),
        Listed(
            "cancel",
            "cancel:cancel",
            "Cancel jobs by id, or all jobs of a filter: waiting ones end at once, those that run are asked to stop.",
        ),
        Listed(
            "discard",
            "discard:discard",
            "Remove dead letters for good, by id or by a filter; the operation keeps who and why.",
        ),
        Listed("update", "update:update", "Change jobs that have not started, by id or by a filter."),
        Listed(
            "signal",
            "steps:signal",
            "Tell a job something that it waits for, or will wait for. Exit code 1 if it has this signal already, or has "
            "timed out.",
        ),
        Listed(
            "operations",
            "operations:operations",
            "List operations, the newest first: what was done in bulk, by whom and why. They are kept as long as the history.",
        ),
        Listed("operation", "operations:operation", "Show one operation: what it does, for whom, and how far it is."),
    ),
    "Queues and limits": (
        Listed("queues", "queues:queues", "Show queues, and change their settings at run time."),
        Listed(
            "pause",
            "pauses:pause",
            "Let no job of a queue, of a task or of everything start. Jobs that run go on; so do enqueues and schedules.",
        ),
        Listed("resume", "pauses:resume", "End a pause."),
        Listed(
            "drain",
            "pauses:drain",
            "Pause a queue and wait until none of its jobs runs. It stays paused. Exit code 1 if jobs still run after the "
            "timeout.",
        ),
        Listed("limits", "limits:limits", "Show limits, and change them at run time."),
    ),
    "Workers": (
        Listed(
            "drain-worker",
            "tell_workers:drain_worker",
            "Let a worker claim nothing more, and end once its handlers have, however long they take.",
        ),
        Listed(
            "restart-worker",
            "tell_workers:restart_worker",
            "Drain a worker with exit code 75, so that its supervisor, its agent, systemd or Kubernetes starts another one.",
        ),
    ),
    "Workflows": (
        Listed("workflows", "workflows:workflows", "List workflows with their progress, the newest first."),
        Listed(
            "workflow",
            "workflows:workflow",
            "Show one workflow: its jobs and their parents; if it has more than 200 jobs, the number in each state for each "
            "task.",
        ),
        Listed(
            "retry-workflow",
            "workflows:retry_workflow",
            "Run the dead letters of workflows again; jobs that were skipped because of them wait for them again.",
        ),
        Listed(
            "cancel-workflow",
            "workflows:cancel_workflow",
            "Cancel the jobs of workflows that have not started, and ask running jobs to stop.",
        ),
    ),
    "Schedules": (
        Listed("schedules", "schedules:schedules", "Show schedules, and change them at run time."),
        Listed(
            "schedule",
            "schedules:schedule",
            "Show one schedule: when it fires in words, its next five ticks, and what came of its last ticks.",
        ),
    ),
    "Pools": (
        Listed("pools", "pools:pools", "Show pools, and change them at run time."),
        Listed("pool", "pool:pool", "Show one pool: its slots with their workers, its agents, and its last events."),
    ),
    "REST API": (
        Listed("keys", "api_keys:api_keys", "Make, list and revoke API keys: of the REST API, and to sign in to the dashboard."),
    ),
    "Care": (
        Listed(
            "doctor",
            "doctor:doctor",
            "Examine the install: what is wrong, what follows from it, and what mends it. Nothing is changed.",
        ),
        Listed(
            "maintain",
            "doctor:maintain",
            "Make the partitions of the coming week and prune, as workers do each minute; with --vacuum remove dead rows as "
            "well.",
        ),
    ),
}
