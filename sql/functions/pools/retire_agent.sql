-- retire_agent: an agent leaves; its slots are free for others at once.
-- Called by: agents at the end of a graceful stop. Writes: agent, pool_slot, pool_event. Locks: the row of the pool, its slots,
-- the agent's row. Returns whether there was such an agent.
create function retire_agent(agent uuid) returns bool
language plpgsql security definer set search_path from current set lock_timeout = '5s' as $$
#variable_conflict use_variable
declare
    me agent%rowtype;
begin
    perform from pool p where p.name = (select a.pool from agent a where a.id = agent) for no key update;
    select * into me from agent a where a.id = agent for update;
    if me.id is null then
        return false;
    end if;
    if release_slots(me, 'it has stopped') > 0 then
        perform tell_agents(me.pool);
    end if;
    delete from agent a where a.id = agent;
    perform note_pool(me.pool, 'agent_left', me.name, null, null, null, jsonb_build_object('host', me.host));
    return true;
end $$;
