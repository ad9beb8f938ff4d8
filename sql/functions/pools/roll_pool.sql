-- roll_pool: replaces all workers of a pool, so that they run with new code; a worker ends once its jobs are done.
-- Called by: operators. Writes: pool, pool_event, audit_log. Locks: its row.
-- max_unavailable: how many are replaced at a time, from now on; NULL = as before.
-- Returns the generation that is to run now. Raises PQ001 when a value is invalid, PQ003 when there is no such pool, PQ004
-- when it is being deleted.
create function roll_pool(name text, max_unavailable int default null, by text default null, reason text default null) returns int
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    new pool := hold_lasting_pool(name);
begin
    new.max_unavailable := coalesce(max_unavailable, new.max_unavailable);
    new.generation := new.generation + 1;
    perform check_pool(new);
    update pool p set generation = new.generation, max_unavailable = new.max_unavailable where p.name = name;
    perform audit('roll_pool', 'pool', name, by, reason, null,
                  jsonb_build_object('generation', new.generation, 'max_unavailable', new.max_unavailable));
    perform note_pool(name, 'rolled', by, null, null, reason);
    perform tell_agents(name);
    return new.generation;
end $$;
