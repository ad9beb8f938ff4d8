-- heartbeat: renews a worker's lease and says which handlers have begun. One statement a process, never one a job.
-- Called by: workers every third of their lease. Writes: worker. Locks: the worker row.
-- timed: runs that have a time limit, [{"id", "token", "seconds"}, ...]: for how long each handler has been running; see
-- end_overdue. NULL = none. loop_lag: for how many seconds its event loop was blocked at the longest since the last heartbeat;
-- memory: bytes of its process; NULL: it has not measured.
-- Returns the number of active workers. Raises PQ001 when timed cannot be read or a value is too large, and PQ002 when the worker
-- is lost.
create function heartbeat(
    worker uuid, started bigint[], wake_mode text, timed jsonb default null, loop_lag float8 default null,
    memory bigint default null
) returns int
language plpgsql security definer set search_path from current set lock_timeout = '5s' as $$
#variable_conflict use_variable
begin
    if cardinality(started) > 100000 then  -- as many as a worker has slots
        perform invalid('started', cardinality(started)::text, 'name at most 100000 jobs');
    elsif length(wake_mode) > 100 then
        perform check_length('wake_mode', wake_mode, 100);
    elsif timed is not null then
        perform check_timed(timed);
    end if;
    update worker w
       set heartbeat_at = clock_timestamp(), started = heartbeat.started, running = cardinality(heartbeat.started),
           wake_mode = heartbeat.wake_mode, timed = heartbeat.timed,
           loop_lag = case when heartbeat.loop_lag is not null then greatest(least(heartbeat.loop_lag, 1e9), 0)::real end,
           memory = heartbeat.memory
     where w.id = worker and w.state = 'active';
    perform assert_active(worker);
    return (select count(*) from worker w where w.state = 'active');
end $$;

-- check_timed: refuses runs that end_overdue could not read: there they would stop every rescue of the install.
-- Called by: heartbeat. Writes: nothing. Raises PQ001.
create function check_timed(timed jsonb) returns void
language plpgsql as $$
begin
    perform check_size('timed', timed, 16777216);
    perform count(t) from jsonb_to_recordset(timed) as t(id bigint, token uuid, seconds float8);
exception when data_exception then
    perform invalid('timed', timed::text, 'give a JSON array of objects with id, token and seconds');
end $$;
