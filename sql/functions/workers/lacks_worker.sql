-- lacks_worker: whether workers that are alive serve this queue, and none of them has this task. Called by: queue_stats,
-- live_depths, unknown_since. Writes: nothing. Locks: none.
create function lacks_worker(queue text, task text) returns bool
language sql stable security definer set search_path from current as $$
    select coalesce(not bool_or(knows_task(w.tasks, lacks_worker.task)), false)
      from worker w where is_alive(w) and lacks_worker.queue = any (w.queues)
$$;

-- unknown_since: since when a job has been waiting for a worker that has its task: a ready one since it is due, one that was put
-- off, such as a chunk, since a worker did not know the task (noted); NULL = it does not.
-- Called by: list_jobs, people and programs that show a job. Writes: nothing. Locks: none.
create function unknown_since(
    state job_state, noted timestamptz, queue text, task text, run_at timestamptz
) returns timestamptz
language sql stable security definer set search_path from current as $$
    select case when state = 'ready' and lacks_worker(queue, task)
                then coalesce(noted, least(greatest(run_at, '0001-01-02Z'), '9999-12-30Z'))
                when state in ('ready', 'scheduled') then noted end
$$;
