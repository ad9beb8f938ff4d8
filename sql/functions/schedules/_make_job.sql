-- tick_element: the options of the job of a tick, as insert_element takes them. run_at: NULL = now.
-- Called by: fire_together, make_job. Writes: nothing.
create function tick_element(its schedule, tick timestamptz, stands_for int, run_at timestamptz, priority int) returns jsonb
language sql stable as $$
    select its.definition->'job' || jsonb_strip_nulls(jsonb_build_object(
        'run_at', in_utc(run_at), 'priority', priority,
        'terms', jsonb_build_object('schedule', its.name, 'scheduled_for', in_utc(tick), 'stands_for', nullif(stands_for, 1))))
$$;

-- make_job: adds the job of a tick. For a duplicate of a unique job, that job's id, and the tick is skipped.
-- Called by: try_job, trigger_schedule, backfill_schedule. Writes: job; see insert_job.
create function make_job(
    its schedule, tick timestamptz, stands_for int, run_at timestamptz, priority int
) returns tick_fired
language plpgsql as $$
#variable_conflict use_variable
declare
    element jsonb := tick_element(its, tick, stands_for, run_at, priority);
    added   record := insert_element(element, false);
begin
    perform wake_for(coalesce(element->>'queue', 'default'), added.due);
    if added.duplicate then
        return row(its.name, tick, 'skipped', 'duplicate', added.id, stands_for)::tick_fired;
    end if;
    return row(its.name, tick, 'fired', null, added.id, stands_for)::tick_fired;
end $$;

-- try_job: make_job, where an enqueue that is refused is the outcome failed. Raises errors that the schedule did not cause: then
-- the tick is decided later. Called by: fire_one, decide_tick. Writes: job; see insert_job.
create function try_job(its schedule, tick timestamptz, stands_for int, run_at timestamptz) returns tick_fired
language plpgsql as $$
begin
    return make_job(its, tick, stands_for, run_at, null);
exception
    when lock_not_available or transaction_rollback or insufficient_resources or operator_intervention or system_error
         or internal_error then
        raise;
    when others then
        return row(its.name, tick, 'failed', left(sqlerrm, 500), null, stands_for)::tick_fired;
end $$;

-- note_tick: records what became of a tick. Called by: fire_one, trigger_schedule, backfill_schedule. Writes: schedule_tick.
create function note_tick(made tick_fired, at timestamptz) returns void
language sql as $$
    insert into schedule_tick (schedule, tick, outcome, reason, job_id, stands_for, fired_at)
    values (made.name, made.tick, made.outcome, made.reason, made.job_id, made.stands_for, at)
    on conflict on constraint schedule_tick_pkey do update
       set outcome = excluded.outcome, reason = excluded.reason, job_id = excluded.job_id, stands_for = excluded.stands_for,
           fired_at = excluded.fired_at
$$;
