-- heartbeat: renews a worker's lease and says which handlers have begun. One statement a process, never one a job.
-- Called by: workers every third of their lease. Writes: worker. Locks: the worker row.
-- timed: runs that have a time limit, [{"id", "token", "seconds"}, ...]: for how long each handler has been running; see
-- end_overdue. NULL = none.
-- Returns the number of active workers. Raises PQ002 when the worker is lost.
create function heartbeat(worker uuid, started bigint[], wake_mode text, timed jsonb default null) returns int
language plpgsql security definer set search_path from current set lock_timeout = '5s' as $$
#variable_conflict use_variable
begin
    update worker w
       set heartbeat_at = clock_timestamp(), started = heartbeat.started, running = cardinality(heartbeat.started),
           wake_mode = heartbeat.wake_mode, timed = heartbeat.timed
     where w.id = worker and w.state = 'active';
    perform assert_active(worker);
    return (select count(*) from worker w where w.state = 'active');
end $$;
