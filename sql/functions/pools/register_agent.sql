-- register_agent: announces an agent, a process that runs workers of a pool on a machine. Every start has a fresh id, so no start
-- adopts slots of another one; nor does an agent whose lease has ended, which comes back under a new id and without slots.
-- Called by: agents. Writes: agent, pool_event. Locks: the row of the pool, FOR KEY SHARE.
-- slots: workers that it can run, 1 to 1000. lease: at most a day. Returns the app of the pool.
-- Raises PQ001 for an invalid value, PQ003 when there is no such pool, PQ004 when it is being deleted.
create function register_agent(
    agent uuid, pool text, name text, host text, pid int, version text, slots int, lease interval
) returns text
language plpgsql security definer set search_path from current set lock_timeout = '5s' as $$
#variable_conflict use_variable
declare
    its pool%rowtype;
begin
    perform check_agent(name, host, version, slots, lease);
    select * into its from pool p where p.name = pool;
    if its.name is null then
        perform hold_pool(pool);  -- raises PQ003
    elsif its.deleting then
        raise exception 'pool: % is being deleted; it takes no more agents', pool using errcode = 'PQ004', column = 'pool';
    end if;
    insert into agent (id, pool, name, host, pid, version, slots, lease, started_at, heartbeat_at)
    values (agent, pool, name, host, pid, version, slots, lease, clock_timestamp(), clock_timestamp())
    on conflict (id) do nothing;  -- asked again because the answer was lost
    if found then
        perform note_pool(pool, 'agent_started', name, null, null, null, jsonb_build_object('host', host, 'slots', slots));
    end if;
    return its.app;
end $$;

-- check_agent: refuses what no agent says of itself. Called by: register_agent. Writes: nothing. Raises PQ001.
create function check_agent(name text, host text, version text, slots int, lease interval) returns void
language plpgsql as $$
begin
    if (slots between 1 and 1000) is not true then
        perform invalid('slots', slots::text, 'use 1 to 1000');
    elsif (fits(lease, interval '1 day') and lease > interval '0') is not true then
        perform invalid('lease', lease::text, 'use an interval above 0, up to 1 day');
    elsif coalesce(name, '') = '' then
        perform invalid('name', name, 'give the agent a name, such as its host');
    end if;
    perform check_length('name', name, 200), check_length('host', host, 1000), check_length('version', version, 100);
end $$;
