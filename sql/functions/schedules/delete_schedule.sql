-- delete_schedule: removes a schedule. Its jobs go on, and what became of its ticks is kept as long as the history.
-- A worker whose code declares it makes it again when it starts.
-- Called by: operators, applications. Writes: schedule. Locks: as set_schedule. Raises PQ003 when there is no such schedule.
create function delete_schedule(name text) returns void
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
begin
    perform lock_schedule(name), hold_schedule(name);
    delete from schedule s where s.name = name;
end $$;
