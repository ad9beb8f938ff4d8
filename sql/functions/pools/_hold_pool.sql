-- hold_pool: locks a pool, before its slots and workers. Called by: all that changes a pool. Locks: its row.
-- Raises PQ003 when there is no such pool.
create function hold_pool(name text) returns pool
language plpgsql as $$
#variable_conflict use_variable
declare
    its pool;
begin
    select * into its from pool p where p.name = name for update;
    if not found then
        raise exception 'name: there is no pool %; there are: %', coalesce(quote_literal(left(name, 200)), 'NULL'),
            coalesce((select string_agg(l.name, ', ' order by l.name) from (select p.name from pool p order by 1 limit 20) l),
                     'none') using errcode = 'PQ003', column = 'name';
    end if;
    return its;
end $$;

-- hold_lasting_pool: hold_pool of one that is not being deleted. Called by: verbs. Raises PQ004 when it is.
create function hold_lasting_pool(name text) returns pool
language plpgsql as $$
declare
    its pool := hold_pool(name);
begin
    if its.deleting then
        raise exception 'name: the pool % is being deleted; wait until its workers have ended, and make it again', name
            using errcode = 'PQ004', column = 'name';
    end if;
    return its;
end $$;

-- tell_agents: wakes the agents of a pool; one that does not hear it looks within a third of its lease.
-- Called by: verbs. Writes: nothing.
create function tell_agents(name text) returns void
language sql as $$ select wake('!pool ' || name) $$;

-- pool_facts: what the audit log keeps of a pool. Called by: verbs. Writes: nothing.
create function pool_facts(its pool) returns jsonb
language sql stable as $$
    select to_jsonb(its) - '{name,checked_at,scaled_up_at,scaled_down_at,created_at,deleting,generation}'::text[]
$$;
