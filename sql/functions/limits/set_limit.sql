-- set_limit: makes a limit, or changes one; it holds from the next claim on, for what waits too. NULL leaves a value as it is.
-- Called by: applications, operators. Writes: limit_def, turn, audit_log. Locks: the row of the limit; no claimer waits.
--
-- name         letters, digits and . _ - ; then it applies to the key of that name, and to each key `name:…` separately.
--              `tenant:42` is the limit of that key alone, `task:…` of a task, `queue:mail` of all jobs of a queue together
-- rate, per    tokens and an interval; a start takes one token, or the cost of its job. rate 0 = none any more
-- burst        tokens it may save up: the number of jobs that can start at once; NULL = a tenth of a second's worth, at least 2;
--              1 below 2 a second
-- max_running  jobs that run at once; 0 = as many as you like
-- count_cost   true (default): a start takes the cost of its job; false: one token, whatever the job costs. A queue counts starts
-- weight       1 to 1000: the share of its jobs when lanes take turns
-- retry_blocks true: while a job of the key waits to run again, the others of its key wait too (with max_running 1: strict order)
-- enabled      false: it limits nothing, until it is enabled again
-- must_exist   true: only change a limit
-- Raises PQ001 when a value makes no sense, PQ003 when there is no such limit and it must exist.
create function set_limit(
    name text, rate float8 default null, per interval default null, burst float8 default null, max_running int default null,
    count_cost bool default null, weight int default null, retry_blocks bool default null, enabled bool default null,
    by text default null, must_exist bool default false
) returns void
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    before jsonb := (select limit_facts(d) from limit_def d where d.name = name for update);
begin
    if must_exist and before is null then
        perform unknown_limit(name);
    end if;
    perform change_limit(name, rate, per, burst, max_running, count_cost, weight, retry_blocks, enabled);
    perform audit('set_limit', 'limit', name, by, null, before, (select limit_facts(d) from limit_def d where d.name = name));
end $$;

-- unknown_limit: raises PQ003, with the names that there are. Called by: set_limit. Writes: nothing.
create function unknown_limit(name text) returns void
language plpgsql as $$
begin
    raise exception 'name: there is no limit %; there are: %', name, coalesce(
        (select string_agg(l.name, ', ' order by l.name) from (select d.name from limit_def d order by 1 limit 20) l), 'none')
        using errcode = 'PQ003', column = 'name';
end $$;

-- limit_facts: what the audit log keeps of a limit. Called by: set_limit, delete_limit, declare_limit, set_declared. Writes:
-- nothing.
create function limit_facts(its limit_def) returns jsonb
language sql stable as $$ select to_jsonb(its) - array['name', 'per_second', 'declared', 'declared_as', 'changed_at'] $$;

-- change_limit: set_limit, without a line in the audit log. Called by: set_limit, set_declared. Writes, locks, raises: see
-- set_limit.
create function change_limit(
    name text, rate float8, per interval, burst float8, max_running int, count_cost bool, weight int, retry_blocks bool,
    enabled bool
) returns void
language plpgsql as $$
#variable_conflict use_variable
declare
    new limit_def%rowtype;
begin
    perform check_limit_name(name);
    select * into new from limit_def d where d.name = name for update;
    if rate < 0 or rate = 'NaN' or rate = 'infinity' then
        perform invalid('rate', rate::text, 'use a number above 0; 0 for no rate limit');
    elsif per is not null and (not fits(per, interval '366 days') or per = interval '0'
            or extract(month from per) <> 0 or extract(year from per) <> 0) then
        perform invalid('per', per::text, 'use an interval above 0 in seconds, minutes, hours or days, for example 1 minute');
    elsif burst is not null and not (burst >= 1 and burst < 'infinity') then
        perform invalid('burst', burst::text, 'use a number of 1 or more');
    elsif name like 'queue:%' and retry_blocks then
        perform invalid('retry_blocks', 'true', 'the limit of a queue has no order to keep; use a key of its jobs');
    elsif max_running < 0 then
        perform invalid('max_running', max_running::text, 'use a number of 1 or more; 0 for no concurrency limit');
    elsif weight not between 1 and 1000 then
        perform invalid('weight', weight::text, 'use a whole number from 1 to 1000');
    end if;
    new.rate := nullif(coalesce(rate, new.rate), 0);
    new.per := case when new.rate is not null then coalesce(per, new.per) end;
    if new.rate is not null and new.per is null then
        perform invalid('per', null, 'a rate needs one, for example 1 minute');
    elsif per is not null and new.rate is null then
        perform invalid('per', per::text, 'it belongs to a rate; give both, for example 60 and 1 minute');
    elsif burst is not null and new.rate is null then
        perform invalid('burst', burst::text, 'it belongs to a rate; give one too, or leave it out');
    end if;
    if new.rate / extract(epoch from new.per)::float8 not between 1e-9 and 1e9 then
        perform invalid('rate', new.rate::text || ' per ' || new.per::text,
                'use at least one in thirty years, and at most 1000000000 a second');
    end if;
    new.max_running := nullif(coalesce(max_running, new.max_running), 0);
    if burst is null and (new.burst is null or rate is not null or per is not null) then
        burst := default_burst(new.rate / extract(epoch from new.per)::float8);
    end if;
    insert into limit_def as d (name, rate, per, burst, max_running, count_cost, weight, retry_blocks, enabled)
    values (name, new.rate, new.per, coalesce(burst, new.burst), new.max_running,
            coalesce(count_cost, new.count_cost, true), coalesce(weight, new.weight, 1),
            coalesce(retry_blocks, new.retry_blocks, false), coalesce(enabled, new.enabled, true))
    on conflict on constraint limit_def_pkey do update
       set rate = excluded.rate, per = excluded.per, burst = excluded.burst, max_running = excluded.max_running,
           count_cost = excluded.count_cost, weight = excluded.weight,
           retry_blocks = excluded.retry_blocks, enabled = excluded.enabled, changed_at = clock_timestamp();
    perform open_limit(name);
end $$;

-- check_limit_name: refuses an invalid name of a limit, or an invalid key. Called by: change_limit, declare_limit. Writes:
-- nothing.
create function check_limit_name(name text) returns void
language plpgsql as $$
begin
    if name is null or length(name) > 200 or name !~ '^[A-Za-z0-9_.-]{1,100}(:.+)?$' or name ~ '^(queue|task)$' then
        perform invalid('name', name,
                'use letters, digits and . _ - , alone or with a colon and a key: openai, tenant:42, queue:mail');
    elsif name ~ '[{}]' then
        perform invalid('name', name, 'leave out the braces: the limit tenant applies to each key tenant:{tenant_id} separately');
    end if;
end $$;

-- default_burst: enough that a worker which looks 20 ms late loses nothing, and no more. Called by: change_limit. Writes:
-- nothing.
create function default_burst(per_second float8) returns float8
language sql immutable as $$
    select case when per_second >= 2 then greatest(2, ceil(per_second / 10)) else 1 end
$$;
