-- delete_schedule: removes a schedule. Its jobs go on, and what became of its ticks is kept as long as the history; a tick that
-- waits for a job is skipped.
-- A worker whose code declares it makes it again when it starts.
-- Called by: operators, applications. Writes: schedule, schedule_tick, audit_log. Locks: as set_schedule.
-- Raises PQ003 when there is no such schedule.
create function delete_schedule(name text, by text default null) returns void
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    its schedule;
begin
    perform lock_schedule(name);
    its := hold_schedule(name);
    if its.buffered_tick is not null then
        perform skip_tick(name, its.buffered_tick, 'deleted');
    end if;
    delete from schedule s where s.name = name;
    perform audit('delete_schedule', 'schedule', name, by, null, its.definition);
end $$;
