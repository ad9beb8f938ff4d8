-- heartbeat: renews a worker's lease and says which handlers have begun. One statement a process, never one a job.
-- Called by: workers every third of their lease. Writes: worker. Locks: the worker row.
-- timed: runs that have a time limit, [{"id", "token", "seconds"}, ...]: for how long each handler has been running; see
-- end_overdue. NULL = none.
-- figures: what it has measured, all optional: loop_lag (seconds for which its event loop was blocked at the longest since the
-- last heartbeat), memory (bytes of its process), cpu_seconds, done and failed (runs), all since its start, last_error (of the
-- last run that failed), draining (it claims nothing more). Other keys are ignored. What it leaves out stays as it was, but for
-- loop_lag and memory, which are then unknown.
-- Returns the number of active workers; what the worker was told, see tell_worker; and whether somebody has asked for its stacks
-- and has no answer yet, see ask_stacks. Raises PQ001 when a value cannot be read or is too large, and PQ002 when the worker is
-- lost.
create function heartbeat(
    worker uuid, started bigint[], wake_mode text, timed jsonb default null, figures jsonb default '{}'
) returns table (workers int, told text, stacks bool)
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
    if figures <> '{}' then
        perform check_figures(figures);
    end if;
    update worker w
       set heartbeat_at = clock_timestamp(), started = heartbeat.started, running = cardinality(heartbeat.started),
           wake_mode = heartbeat.wake_mode, timed = heartbeat.timed,
           loop_lag = figure(figures, 'loop_lag', 1e9)::real,
           memory = figure(figures, 'memory')::bigint,
           cpu_seconds = coalesce(figure(figures, 'cpu_seconds', 1e12)::float8, w.cpu_seconds),
           done = coalesce(figure(figures, 'done')::bigint, w.done),
           failed = coalesce(figure(figures, 'failed')::bigint, w.failed),
           last_error = coalesce(figures->>'last_error', w.last_error),
           draining = coalesce((figures->>'draining')::bool, w.draining)
     where w.id = worker and w.state = 'active'
    returning w.told into told;
    if not found then
        perform assert_active(worker);
    end if;
    workers := (select count(*) from worker w where w.state = 'active');
    stacks := exists (select from worker_stacks s
                       where s.worker_id = worker and (s.answered_at is null or s.answered_at < s.asked_at));
    return next;
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

-- figure: a number of an object, within the bounds of its column; NULL when it was left out. Called by: heartbeat.
-- Writes: nothing. Rounded, because a number next to 0 does not fit a real. Inlined, hence no settings.
create function figure(figures jsonb, name text, most numeric default 9e18) returns numeric
language sql immutable as $$
    select case when (figures->>name)::numeric > most then most
                when (figures->>name)::numeric < 0 then 0 else round((figures->>name)::numeric, 6) end
$$;

-- check_figures: refuses figures of the wrong type; NULL as a figure is one that was left out.
-- Called by: heartbeat. Writes: nothing. Raises PQ001.
create function check_figures(figures jsonb) returns void
language plpgsql as $$
begin
    perform check_fields('figures', figures, '{
        "loop_lag": "number", "memory": "number", "cpu_seconds": "number", "done": "number", "failed": "number",
        "last_error": "string", "draining": "boolean"}');
    perform check_length('figures.last_error', figures->>'last_error', 500);
end $$;
