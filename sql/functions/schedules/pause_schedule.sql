-- pause_schedule: lets no tick of a schedule fire until it is resumed. Jobs that it has made go on; a tick that waits for one of
-- them is skipped. Called by: operators, applications. Writes: schedule, schedule_tick. Locks: its row.
-- Returns false when it was paused already. Raises PQ003 when there is no such schedule.
create function pause_schedule(name text) returns bool
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
    return true;
end $$;

-- resume_schedule: ends the pause of a schedule. No tick of the pause fires: the first of them is recorded as skipped.
-- Called by: operators, applications. Writes: schedule, schedule_tick. Locks: its row.
-- Returns false when it was not paused. Raises PQ003 when there is no such schedule.
create function resume_schedule(name text) returns bool
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
    return true;
end $$;
