-- orphaned_schedules: the names of schedules that code has declared, and that no worker declares that is active now.
-- Called by: workers, when they start. Writes: nothing.
create function orphaned_schedules() returns setof text
language sql security definer set search_path from current as $$
    select name from schedules where is_orphaned order by name
$$;
