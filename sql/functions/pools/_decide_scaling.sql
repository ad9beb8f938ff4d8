-- decide_scaling: how many workers a pool is to have. It looks at nothing but its arguments. Called by: autoscale.
-- Writes: nothing.
-- wanted: the number from now on; that of before if it stays. reason: why it changes; NULL = it stays.
-- refused: why what the load asks for is not done; the same words as long as it is the same obstacle.
-- low_need: the largest number that was needed since the load is low; NULL = it is not. The caller keeps it for the next time.
create function decide_scaling(
    its pool, rules jsonb, figures jsonb, at timestamptz,
    out wanted int, out reason text, out refused text, out low_need int
)
language plpgsql immutable as $$
#variable_conflict use_column
declare
    least_ int := case when its.queues = '{}' then greatest(its.minimum, 1) else its.minimum end;  -- only they know its queues
    asks   text := asks_for_more(rules, figures);
    most   int;
begin
    wanted := its.wanted;
    if its.wanted < least_ or its.wanted > its.maximum then
        wanted := least(greatest(its.wanted, least_), its.maximum);
        reason := format('%s of the pool is %s', case when wanted < its.wanted then 'maximum' else 'minimum' end, wanted);
    elsif asks is not null then
        select g.wanted, g.refused into wanted, refused from grown(its, rules, figures, at) g;
        reason := case when wanted > its.wanted then asks end;
    elsif is_low(rules, figures) and workers_needed(its, rules, figures) < its.wanted and its.wanted > least_ then
        low_need := greatest(workers_needed(its, rules, figures), coalesce(its.low_need, 0));
        most := case rules->>'mode' when 'step' then (rules->>'step')::int else greatest(its.wanted / 2, 1) end;
        wanted := least(its.wanted, greatest(least_, low_need, its.wanted - most));
        if wanted < its.wanted and not is_past(coalesce(its.low_since, at), rules->'cooldown_down', at) then
            wanted := its.wanted;  -- it is low, but not for long enough
        elsif wanted < its.wanted and not (is_past(its.scaled_down_at, rules->'cooldown_down', at)
                                           and is_past(its.scaled_up_at, rules->'cooldown_down', at)) then
            wanted := its.wanted;
            refused := format('cooldown_down: the last change was less than %s seconds ago', rules->>'cooldown_down');
        elsif wanted < its.wanted then
            reason := format('low: %s jobs run and %s are ready; most workers needed in the last %s seconds: %s',
                             figures->>'running', figures->>'ready', rules->>'cooldown_down', greatest(low_need, least_));
            low_need := workers_needed(its, rules, figures);
        end if;
    end if;
end $$;

-- asks_for_more: which rule asks for more workers, in words; NULL = none. Called by: decide_scaling. Writes: nothing.
create function asks_for_more(rules jsonb, figures jsonb) returns text
language sql immutable as $$
    select case
        when (figures->>'oldest')::float8 > (rules->>'latency')::float8
            then format('latency: a job has waited for %s seconds, longer than %s', figures->>'oldest', rules->>'latency')
        when (figures->>'ready')::bigint > (rules->>'depth_up')::bigint
            then format('depth_up: %s jobs are ready, more than %s', figures->>'ready', rules->>'depth_up')
        when (figures->>'utilisation')::float8 > (rules->>'utilisation_up')::float8
            then format('utilisation_up: %s of the slots are in use, more than %s', figures->>'utilisation',
                        rules->>'utilisation_up')
    end
$$;

-- is_low: whether every rule lets workers go. Called by: decide_scaling. Writes: nothing.
create function is_low(rules jsonb, figures jsonb) returns bool
language sql immutable as $$
    select coalesce((figures->>'oldest')::float8 <= (rules->>'latency')::float8 / 2, true)
           and coalesce((figures->>'ready')::bigint < (rules->>'depth_down')::bigint, true)
           and coalesce((figures->>'utilisation')::float8 < (rules->>'utilisation_down')::float8, true)
$$;

-- workers_needed: workers whose slots are enough for what runs and is ready, in use to a part between the two rules of
-- utilisation, so that the number which it gives asks for no other one. Called by: decide_scaling, grown. Writes: nothing.
create function workers_needed(its pool, rules jsonb, figures jsonb) returns int
language sql immutable as $$
    select least(ceil(((figures->>'running')::numeric + (figures->>'ready')::numeric) / its.concurrency
                      / ((coalesce((rules->>'utilisation_up')::numeric, 1)
                          + coalesce((rules->>'utilisation_down')::numeric, (rules->>'utilisation_up')::numeric, 1)) / 2)),
                 1000000)::int
$$;

-- grown: to how many workers a pool is to grow that asks for more, and what is in the way. Called by: decide_scaling.
-- Writes: nothing.
-- Workers that are wanted and do not run yet are on their way: as long as they are, only more load than all of them can take asks
-- for more. There is never more than one worker for a job, and one to spare.
create function grown(its pool, rules jsonb, figures jsonb, at timestamptz, out wanted int, out refused text)
language plpgsql immutable as $$
#variable_conflict use_column
declare
    pending int := greatest(its.wanted - (figures->>'workers')::int, 0);
    jobs    bigint := (figures->>'running')::bigint + (figures->>'ready')::bigint;
    need    int := case rules->>'mode' when 'step' then its.wanted + (rules->>'step')::int
                                       else workers_needed(its, rules, figures) end;
    each    int := (rules->>'connections_per_worker')::int;
    spare   int := (figures->>'connections_left')::int - (rules->>'min_connections_left')::int - pending * each;
begin
    wanted := least(greatest(need, its.wanted + 1), greatest(jobs + 1, its.wanted), its.maximum);
    refused := case
        when its.wanted >= its.maximum then format('maximum: the pool has all of its %s workers', its.maximum)
        when pending > 0 and (need <= its.wanted or rules->>'mode' = 'step')
            then 'pending: workers that are wanted do not run yet'
        when not is_past(its.scaled_up_at, rules->'cooldown_up', at)
            then format('cooldown_up: the last change upwards was less than %s seconds ago', rules->>'cooldown_up')
        when spare < each
            then format('connections: fewer than min_connections_left = %s would be left', rules->>'min_connections_left')
        when figures->>'replication_lag' = 'unknown'
            then 'replication: the owner of the install may not read the lag of the replicas; grant it pg_read_all_stats'
        when (figures->>'replication_lag')::float8 > (rules->>'max_replication_lag')::float8
            then format('replication: a replica is later than max_replication_lag = %s seconds', rules->>'max_replication_lag')
    end;
    if refused is not null then
        wanted := its.wanted;
    elsif each > 0 then
        wanted := least(wanted, its.wanted + spare / each);
    end if;
end $$;

-- is_past: whether so many seconds have passed since a time. NULL is long ago; one in the future was written before the clock was
-- set back, and holds nothing up. Called by: decide_scaling, grown, autoscale. Writes: nothing.
create function is_past(since timestamptz, seconds jsonb, at timestamptz) returns bool
language sql immutable as $$
    select coalesce(at - since >= make_interval(secs => (seconds #>> '{}')::float8) or since > at, true)
$$;
