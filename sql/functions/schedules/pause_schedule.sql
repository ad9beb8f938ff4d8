-- pause_schedule: lets no tick of a schedule fire until it is resumed. Jobs that it has made go on; a tick that waits for one of
-- them is skipped. Called by: operators, applications. Writes: schedule, schedule_tick, audit_log. Locks: its row.
-- Returns false when it was paused already. Raises PQ003 when there is no such schedule.
create function pause_schedule(name text, by text default null) returns bool
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    its schedule := hold_schedule(name);
begin
    if its.paused_at is not null then
        return false;
    end if;
    if its.buffered_tick is not null then
        perform skip_tick(name, its.buffered_tick, 'paused');
    end if;
    update schedule s set paused_at = clock_timestamp(), look_at = null, buffered_tick = null, buffered_for = null
     where s.name = name;
    perform audit('pause_schedule', 'schedule', name, by);
    return true;
end $$;

-- resume_schedule: ends the pause of a schedule. No tick of the pause fires: the first of them is recorded as skipped.
-- Called by: operators, applications. Writes: schedule, schedule_tick, audit_log. Locks: its row.
-- Returns false when it was not paused. Raises PQ003 when there is no such schedule.
create function resume_schedule(name text, by text default null) returns bool
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    its schedule := hold_schedule(name);
    at  timestamptz := clock_timestamp();
begin
    if its.paused_at is null then
        return false;
    end if;
    if its.next_tick <= at then
        perform skip_tick(name, its.next_tick, 'paused');
    end if;
    update schedule s set paused_at = null, after_at = at, next_tick = null, look_at = at, error = null where s.name = name;
    perform wake('!schedules');
    perform audit('resume_schedule', 'schedule', name, by, null, jsonb_build_object('paused_at', in_utc(its.paused_at)));
    return true;
end $$;
