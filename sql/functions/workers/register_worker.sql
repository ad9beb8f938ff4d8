-- register_worker: announces a worker process. Every start has a fresh id, so no start adopts another one's jobs.
-- Called by: workers at start, and again under a new id after a lost lease. Writes: worker.
-- schedules: the names of those that its app declares, see the view schedules. tasks: the names of those that it can run, see
-- knows_task; at most 1,000 are kept.
create function register_worker(
    worker uuid, name text, host text, pid int, version text, queues text[], concurrency int, lease interval,
    schedules text[] default '{}', tasks text[] default null
) returns void
language sql security definer set search_path from current as $$
    insert into worker (id, name, host, pid, version, queues, concurrency, lease, started_at, heartbeat_at, schedules, tasks)
    values (worker, name, host, pid, version, queues, concurrency, lease, clock_timestamp(), clock_timestamp(), schedules,
            tasks[1:1000])
    on conflict (id) do update set heartbeat_at = excluded.heartbeat_at  -- asked again because the answer was lost
$$;
