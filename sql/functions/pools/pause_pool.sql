-- pause_pool: ends all workers of a pool, each once its jobs are done, and starts none until it is resumed. How many are
-- wanted is kept. To keep jobs from starting, pause their queues: other workers may serve them too.
-- Called by: operators. Writes: pool, pool_event, audit_log. Locks: its row.
-- Returns false when it was paused already. Raises PQ003 when there is no such pool, PQ004 when it is being deleted.
create function pause_pool(name text, by text default null, reason text default null) returns bool
language plpgsql security definer set search_path from current as $$
begin
    return set_paused(hold_lasting_pool(name), true, by, reason);
end $$;

-- resume_pool: lets the workers of a pool run again. Called by: operators. Writes: pool, pool_event, audit_log. Locks: its row.
-- Returns false when it was not paused. Raises PQ003 when there is no such pool, PQ004 when it is being deleted.
create function resume_pool(name text, by text default null, reason text default null) returns bool
language plpgsql security definer set search_path from current as $$
begin
    return set_paused(hold_lasting_pool(name), false, by, reason);
end $$;

-- set_paused: pauses or resumes a pool; returns whether it changed. Called by: pause_pool, resume_pool. Writes: pool, pool_event,
-- audit_log. Locks: its caller has locked the row.
create function set_paused(its pool, pauses bool, by text, reason text) returns bool
language plpgsql as $$
begin
    if its.paused = pauses then
        return false;
    end if;
    update pool set paused = pauses where name = its.name;
    perform audit(case when pauses then 'pause_pool' else 'resume_pool' end, 'pool', its.name, by, reason);
    perform note_pool(its.name, case when pauses then 'paused' else 'resumed' end, by, null, null, reason);
    perform tell_agents(its.name);
    return true;
end $$;
