-- limits_of: the limits under which a ready job cannot start now, as far as can be seen without a lock: those without a time
-- first, then the last to open. before: the jobs that start before it. Called by: turn_of. Writes: nothing.
create function limits_of(its job, before int) returns setof cause
language sql stable as $$
    select c.*
      from unnest(coalesce(its.limits, '{}') || ('queue:' || its.queue)) as key, lateral limit_on(its, key, before) c
     where c.cause is not null
     order by c.until desc nulls first, key
$$;

-- limit_on: why a key does not let a job start; no row where it does. Called by: limits_of. Writes: nothing.
create function limit_on(its job, key text, before int) returns setof cause
language plpgsql stable as $$
#variable_conflict use_variable
declare
    rule  record;
    shut  timestamptz := (select max(p.until) from parking p
                           where p.key in (key, split_part(key, ':', 1)) and p.until > clock_timestamp());
    holds bigint[];
begin
    select * into rule from limit_of(key);
    if shut is not null then
        return next row('limit_parked', format('key %s is parked %s', said_name(key), said_until(shut)), shut,
                        jsonb_build_object('key', key))::cause;
    elsif rule.max_running is not null then
        holds := holders_of(key);
        if cardinality(holds) >= rule.max_running then
            return next row('limit_places', format('all places of key %s are taken (%s of %s), by %s %s', said_name(key),
                cardinality(holds), rule.max_running,
                case when cardinality(holds) = 1 then 'job' else 'jobs' end, array_to_string(holds[1:10], ', ')
                || case when cardinality(holds) > 10 then ' and others' else '' end), null,
                jsonb_build_object('key', key, 'max_running', rule.max_running, 'running', cardinality(holds),
                                   'jobs', holds[1:10]))::cause;
        end if;
    end if;
    if shut is null and rule.per_second is not null then
        return query select * from tokens_on(its, key, before, rule.per_second, rule.burst, rule.count_cost);
    end if;
end $$;

-- holders_of: the jobs that hold places of a key, the oldest first, 10,000 at most. Called by: limit_on. Writes: nothing.
create function holders_of(its_key text) returns bigint[]
language sql stable as $$
    select array(
        select h.id
          from (select distinct claim_token, lane_id from permit where key = its_key) p cross join lateral (
               select id, claimed_at from job j
                where j.claim_token = p.claim_token and j.holds_place
                  and case when p.lane_id is null then j.queue = substr(its_key, 7) else j.lane_id = p.lane_id end offset 0) h
         order by h.claimed_at, h.id limit 10000)
$$;

-- tokens_on: when a key has the tokens that a job needs, if it has not: the jobs before it take one each at least, and what is
-- kept for a job of another lane is not there. Called by: limit_on. Writes: nothing.
create function tokens_on(its job, key text, before int, per_second float8, burst float8, count_cost bool) returns setof cause
language plpgsql stable as $$
#variable_conflict use_variable
declare
    now_    timestamptz := clock_timestamp();
    held    bucket;
    tokens  float8 := burst;
    need    float8 := case when count_cost and key not like 'queue:%' then least(coalesce(its.cost, 1), burst) else 1 end;
    kept    float8 := 0;
    seconds float8;
    opens   timestamptz;
    says    text;
begin
    select b.* into held from bucket b where b.key = key order by b.refilled_at desc limit 1;
    if found then
        tokens := refilled(held.tokens, per_second, burst, held.refilled_at, now_);
        if (held.saving).lane <> its.lane_id and is_saving(held.saving, now_, per_second, burst, count_cost) then
            kept := kept_at(held.saving, per_second, now_);
        end if;
    end if;
    if need + before <= tokens - kept then
        return;
    end if;
    seconds := (need + before - tokens) / per_second;
    if kept > 0 then
        seconds := greatest(seconds, (need + (held.saving).tokens - tokens) / per_second,
                            seconds_until((held.saving).ready_at, now_));
    end if;
    opens := now_ + make_interval(secs => least(seconds, 1e9));
    says := case when kept > 0 then format('key %s keeps %s tokens for a job of another lane', said_name(key),
                                           round((held.saving).tokens::numeric))
                 when before > 0 then format('key %s has too few tokens for it and the jobs before it', said_name(key))
                 else format('key %s has %s of the %s it needs', said_name(key), trim_scale(round(tokens::numeric, 2)),
                             counted(round(need)::bigint, 'token', 'tokens')) end;
    return next row(case when kept > 0 then 'limit_saving' else 'limit_tokens' end,
        format('%s; it has enough %sat %s', says, case when before > 0 then 'at the earliest ' else '' end, said_at(opens)),
        opens, jsonb_build_object('key', key, 'tokens', round(tokens::numeric, 3), 'needs', need, 'before', before,
                           'seconds', round(seconds::numeric, 3)))::cause;
end $$;
