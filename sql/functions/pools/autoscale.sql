-- autoscale: looks at a pool and changes how many workers it wants, if its rules say so; see scaling_rules.
-- Called by: agents, as often as they like. It looks once in check_every, whoever calls. Writes: pool, pool_event; wakes agents.
-- Locks: the row of the pool, SKIP LOCKED: of several agents one looks, and nobody waits.
-- by: who calls, for pool_event. Returns in how many seconds to call again; NULL = the pool does not scale by itself.
-- Each decision is noted with what was seen, and so is what is not done though the load asks for it: once, until that changes.
-- A pool that is paused or that goes is left alone. Raises PQ003 when there is none.
create function autoscale(pool text, by text default null, at timestamptz default clock_timestamp()) returns float8
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    its     pool;
    rules   jsonb;
    figures jsonb;
    will    record;
begin
    its := pool_named(pool);
    if not its.autoscale or its.paused or its.deleting then
        return null;
    end if;
    rules := scaling_rules(its.rules);
    if is_past(its.checked_at, rules->'check_every', at) then
        select p.* into its from pool p where p.name = pool and p.autoscale and not p.paused and not p.deleting
           for update skip locked;
        if not found then
            return 1;
        end if;
        rules := scaling_rules(its.rules);
    end if;
    if not is_past(its.checked_at, rules->'check_every', at) then
        return (rules->>'check_every')::float8 - extract(epoch from at - its.checked_at)::float8;
    end if;
    figures := scaling_figures(its, rules, at);
    will := decide_scaling(its, rules, figures, at);
    perform note_scaling(its, will.wanted, will.reason, will.refused, figures, by);
    update pool p
       set wanted = will.wanted, checked_at = at, refused = will.refused, low_need = will.low_need,
           low_since = case when will.low_need is not null then coalesce(its.low_since, at) end,
           scaled_up_at = case when will.wanted > its.wanted then at else its.scaled_up_at end,
           scaled_down_at = case when will.wanted < its.wanted then at else its.scaled_down_at end
     where p.name = pool;
    return (rules->>'check_every')::float8;
end $$;

-- note_scaling: writes down what the autoscaler has decided, and tells agents. Called by: autoscale. Writes: pool_event.
create function note_scaling(its pool, wanted int, reason text, refused text, figures jsonb, by text) returns void
language plpgsql as $$
begin
    if wanted <> its.wanted then
        perform note_pool(its.name, case when wanted > its.wanted then 'scaled_up' else 'scaled_down' end, by, its.wanted, wanted,
                          reason, figures);
        perform wake('!pool ' || its.name);
    elsif refused is distinct from its.refused and refused is not null then
        perform note_pool(its.name, 'refused', by, its.wanted, its.wanted, refused, figures);
    end if;
end $$;
