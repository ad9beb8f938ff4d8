-- trigger_schedule: makes the job of a schedule now, paused or not, whatever its policy of overlap. Its next tick stays as it is.
-- Called by: operators, applications. Writes: job, schedule, schedule_tick, audit_log; see insert_job. Locks: the row of the
-- schedule. Returns the id of the job; for a duplicate of a unique job, of that job. Raises PQ003 when there is no such schedule,
-- and what
-- enqueue raises.
create function trigger_schedule(name text, by text default null) returns bigint
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    its  schedule := hold_schedule(name);
    at   timestamptz := clock_timestamp();
    made tick_fired := make_job(its, at, 1, null, null);
begin
    if made.outcome = 'fired' then
        made.reason := 'triggered';
    end if;
    perform note_tick(made, at);
    update schedule s
       set last_tick = at, last_outcome = made.outcome, last_reason = made.reason,
           last_job_id = case when made.outcome = 'fired' then made.job_id else last_job_id end
     where s.name = name;
    perform audit('trigger_schedule', 'schedule', name, by, null, null, jsonb_build_object('job_id', made.job_id));
    return made.job_id;
end $$;
