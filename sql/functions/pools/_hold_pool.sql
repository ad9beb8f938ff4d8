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
        perform refuse_pool(name);
    end if;
    return its;
end $$;

-- pool_named: a pool, not locked. Called by: autoscale, scaling_hint. Writes: nothing. Raises PQ003 when there is no such pool.
create function pool_named(name text) returns pool
language plpgsql stable as $$
#variable_conflict use_variable
declare
    its pool;
begin
    select * into its from pool p where p.name = name;
    if not found then
        perform refuse_pool(name);
    end if;
    return its;
end $$;

-- refuse_pool: raises PQ003: there is no such pool. Called by: hold_pool, pool_named. Writes: nothing.
create function refuse_pool(name text) returns void
language plpgsql as $$
begin
    raise exception 'name: there is no pool %; there are: %', coalesce(quote_literal(left(name, 200)), 'NULL'),
        coalesce((select string_agg(l.name, ', ' order by l.name) from (select p.name from pool p order by 1 limit 20) l),
                 'none') using errcode = 'PQ003', column = 'name';
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
    select to_jsonb(its) - '{name,created_at,deleting,generation}'::text[]
           - '{checked_at,scaled_up_at,scaled_down_at,refused,low_since,low_need}'::text[]
$$;
