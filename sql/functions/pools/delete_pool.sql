-- delete_pool: ends all workers of a pool and removes it with the last of them. Its events are kept as long as the history.
-- Called by: operators. Writes: pool, pool_slot, pool_event, audit_log. Locks: its row, then its slots.
-- now: false (default): each worker ends once its jobs are done; true: its jobs have the grace of the agent, and are given back.
--      A second call with true hurries a pool that is being deleted.
-- Returns whether it is gone; false: its agents end its workers. Raises PQ003 when there is no such pool.
create function delete_pool(name text, now bool default false, by text default null, reason text default null) returns bool
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    old pool := hold_pool(name);
    how text := case when now then 'now' else 'drain' end;
begin
    update pool p set deleting = true where p.name = name;
    update pool_slot s set leaving = how where s.pool = name and s.leaving is distinct from 'now';
    if not old.deleting or now then
        perform audit('delete_pool', 'pool', name, by, reason, pool_facts(old) || jsonb_build_object('deleting', old.deleting),
                      jsonb_build_object('deleting', how));
    end if;
    if not old.deleting then
        perform note_pool(name, 'deleting', by, old.wanted, 0, reason);
    end if;
    perform tell_agents(name);
    return end_pool(name);
end $$;

-- end_pool: removes a pool that is being deleted, if no agent that is alive holds a slot of it. Returns whether it is gone.
-- Called by: delete_pool, sweep_pools, agents. Writes: pool and what belongs to it, pool_event. Locks: its caller has locked the
-- row of the pool.
create function end_pool(name text) returns bool
language plpgsql as $$
#variable_conflict use_variable
begin
    delete from pool p
     where p.name = name and p.deleting
       and not exists (select from pool_slot s join agent a on a.id = s.agent_id
                        where s.pool = name and a.heartbeat_at + a.lease >= clock_timestamp());
    if not found then
        return false;
    end if;
    perform note_pool(name, 'deleted', null, null, 0);
    delete from pool_sample where pool = name;
    return true;
end $$;
