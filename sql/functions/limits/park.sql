-- park: shuts a key, or a name with all its keys, until a time: its waiting jobs stay where they are, those that run go on. A
-- shorter time does not undo a longer one.
-- Called by: applications, operators. Writes: parking, audit_log. It only inserts, so nobody waits for a claimer.
-- reason: why; the audit log keeps it.
-- Raises PQ001 when there is no such limit, or no time.
create function park(key text, until timestamptz, by text default null, reason text default null) returns void
language plpgsql security definer set search_path from current as $$
begin
    perform park_from_job(key, until);
    perform audit('park', 'limit', key, by, reason, null, jsonb_build_object('until', in_utc(until)));
end $$;

-- park_from_job: park, without a line in the audit log: a handler may park a key with each of its jobs.
-- Called by: handlers; park. Writes, raises: see park.
create function park_from_job(key text, until timestamptz) returns void
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
begin
    perform assert_limit(key);
    if until is null or until not between '0001-01-02' and '9999-12-30' then
        perform invalid('until', until::text, 'give a time between the years 1 and 9999');
    end if;
    perform park_keys(array[key], until);
end $$;

-- park_keys: park, of keys that are known. Called by: park_from_job, finish_batch, rescue_job. Writes: parking.
create function park_keys(keys text[], until timestamptz) returns void
language sql as $$
    insert into parking (key, until)
    select k.key, park_keys.until from unnest(keys) as k(key)
     where park_keys.until > clock_timestamp()
       and not exists (select from parking p where p.key = k.key and p.until >= park_keys.until)
$$;

-- keys_to_park: the limits of a job that wait with it when it does not end: limits with retry_blocks; if an external limit was
-- met, the given one, or all that have a rate, or all. NULL: none, or not its own, so the job itself is put off.
-- Called by: finish_unended, rescue_job, count_interruptions, end_blocking. Writes: nothing.
create function keys_to_park(limits text[], queue text, is_limited bool, given text) returns text[]
language plpgsql stable as $$
declare
    own  text[] := limits || array(select d.name from limit_def d where d.name = 'queue:' || keys_to_park.queue and d.enabled);
    keys text[];
begin
    if given is not null then
        return case when given = any (own) then array[given] end;
    elsif not is_limited then
        return (select array_agg(k.key) from unnest(limits) as k(key)
                 where (select d.retry_blocks and d.enabled from limit_def d where d.name in (k.key, split_part(k.key, ':', 1))
                         order by d.name = k.key desc limit 1));
    end if;
    keys := array(select k.key from unnest(own) as k(key), limit_of(k.key) d where d.rate is not null);
    return nullif(case when keys <> '{}' then keys else own end, '{}');
end $$;

-- assert_limit: raises PQ001 when no limit has this key: neither its own row nor its name's, nor is it one of jobs that take
-- turns.
-- Called by: park_from_job, unpark, reset_limit. Writes: nothing.
create function assert_limit(its_key text) returns void
language plpgsql as $$
begin
    if not exists (select from limit_def d where d.name in (its_key, split_part(its_key, ':', 1)))
       and not exists (select from bucket b where b.key = its_key)
       and not exists (select from parking p where p.key = its_key and p.until > clock_timestamp())
       and not exists (select from turn t where its_key = any (t.keys))
       and not exists (select from job j where j.state = 'running' and its_key = any (j.limits)) then
        perform invalid('key', its_key, 'there is no such limit; there are: ' || coalesce(
            (select string_agg(name, ', ' order by name) from (select name from limit_def order by name limit 20) d), 'none'));
    end if;
end $$;
