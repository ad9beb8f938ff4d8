"""Live workers, and jobs of lost workers; see sql/functions/workers."""

from uuid import UUID

from ..call import ALWAYS, Call, first_column, nothing, one_value


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
) -> Call[None]:
    """Register a worker process. `schedules`, `tasks`: the names of those that its app declares."""
    return Call(
        "select {schema}.register_worker(%s, %s, %s, %s, %s, %s, %s, make_interval(secs => %s), %s, %s)",
        (worker, name, host, pid, version, queues, concurrency, lease, schedules or [], tasks),
        nothing,
    )


def retire_worker(worker: UUID, cut_off: list[int] | None = None) -> Call[list[int]]:
    """Remove a worker and give back the jobs that still run; `cut_off`: those whose handlers had begun. Returns their ids."""
    return Call("select * from {schema}.retire_worker(%s, %s)", (worker, cut_off or []), first_column)


def heartbeat(worker: UUID, started: list[int], wake_mode: str, timed: str | None = None) -> Call[int]:
    """Renew the lease. `timed`: the runs with a time limit, a JSON array. Returns the number of active workers."""
    return Call("select {schema}.heartbeat(%s, %s, %s, %s::text::jsonb)", (worker, started, wake_mode, timed), one_value)


def mark_lost() -> Call[int]:
    """Mark workers as lost whose lease has ended. Returns how many."""
    return Call("select {schema}.mark_lost()", (), one_value)


def rescue(want: int = 1000, within: float | None = None) -> Call[int]:
    """Rescue at most `want` jobs from lost workers. Returns how many."""
    return Call("select {schema}.rescue(%s)", (want,), one_value, within=within)


def reconcile(worker: UUID, known: list[int], grace: float) -> Call[list[int]]:
    """Give back jobs that run under a worker but that the worker does not know. Returns their ids."""
    return Call("select * from {schema}.reconcile(%s, %s, make_interval(secs => %s))", (worker, known, grace), first_column)


def has_work(queues: list[str]) -> Call[bool]:
    """Whether these queues hold anything ready or running."""
    return Call("select {schema}.has_work(%s)", (queues,), one_value, repeat_within=ALWAYS)


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
