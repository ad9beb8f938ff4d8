-- check_limits: refuses limits that make no sense or are not there, once for a call; the keys are made per job, by limit_keys.
-- Called by: insert_job, insert_limited_jobs. Writes: nothing.
-- Those that code has declared (limiting.declared) are not looked for: its workers make them known before they claim anything.
create function check_limits(given limiting) returns void
language plpgsql as $$
declare
    key text;
begin
    if given.cost not between 1 and 1000000 then
        perform invalid('cost', given.cost::text, 'use a whole number from 1 to 1000000');
    elsif given.limits is null and given.fair is null and given.cost is not null then
        perform invalid('cost', given.cost::text, 'it is taken of limits; name some in limits');
    elsif cardinality(given.limits) not between 1 and 10 then
        perform invalid('limits', given.limits::text, 'use 1 to 10 keys, for example {openai, tenant:42}');
    end if;
    if given.fair is not null then
        perform check_limit_template('fair', given.fair);
    end if;
    foreach key in array coalesce(given.limits, '{}') loop  -- not one statement: that would be planned anew for each array
        perform check_limit_template('limits', key);
        if key <> all (coalesce(given.declared, '{}'))
           and not exists (select from limit_def d where d.name in (key, split_part(key, ':', 1))) then
            perform invalid('limits', key, format(
                'there is no such limit; set it first, for example pgqueue limits set %s --rate 60/m, or set_limit() in SQL',
                case when key like 'task:%' then quote_literal(key) else split_part(key, ':', 1) end));
        end if;
        if given.cost > 1 then
            perform check_cost(given.cost, key);
        end if;
    end loop;
end $$;

-- check_cost: refuses a cost that a limit cannot pay in one period, with its burst: it would be shut for longer than that.
-- Called by: check_limits, of jobs that cost more than 1. Writes: nothing. claim_lanes takes no more, for limits changed since.
create function check_cost(cost int, key text) returns void
language plpgsql as $$
begin
    perform invalid('cost', cost::text, format('limit %s pays at most %s, its rate and its burst; use no more', d.name,
                    floor(most_cost(d.per_second, d.per, d.burst))))
       from limit_of(key) d where d.count_cost and cost > most_cost(d.per_second, d.per, d.burst);
end $$;

-- most_cost: the tokens that a start takes of a limit at most: its burst and what comes in one period. NULL without a rate.
-- Called by: check_cost, payable, refund. Writes: nothing. Inlined, hence no settings.
create function most_cost(per_second float8, per interval, burst float8) returns float8
language sql immutable as $$ select per_second * extract(epoch from per)::float8 + burst $$;

-- check_limit_options: refuses options of limits that are of another type in an array of options of enqueue.
-- Called by: check_jobs, check_nodes. Writes: nothing.
create function check_limit_options(jobs jsonb) returns void
language plpgsql as $$
begin
    if jsonb_path_exists(
           jobs, 'strict $[*] ? (exists(@.limits) || exists(@.limits_declared) || exists(@.fair) || exists(@.cost))') then
        perform invalid('limits', element->>'limits', 'give an array of keys, for example ["openai", "tenant:{tenant_id}"]')
           from jsonb_array_elements(jobs) as e(element)
          where case jsonb_typeof(element->'limits') when 'null' then false
                    when 'array' then jsonb_path_exists(element->'limits', 'strict $[*] ? (@.type() != "string")')
                    else element ? 'limits' end;
        perform invalid('limits_declared', element->>'limits_declared',
                'give those of limits that code declares, for example ["openai"]')
           from jsonb_array_elements(jobs) as e(element) where jsonb_typeof(element->'limits_declared') not in ('array', 'null');
        perform invalid('fair', element->>'fair', 'give a key, for example "tenant:{tenant_id}"')
           from jsonb_array_elements(jobs) as e(element) where jsonb_typeof(element->'fair') not in ('string', 'null');
        perform invalid('cost', element->>'cost', 'use a whole number from 1 to 1000000')
           from jsonb_array_elements(jobs) as e(element)
          where element->>'cost' !~ '^[0-9]{1,9}$' and jsonb_typeof(element->'cost') <> 'null';
    end if;
end $$;

-- check_limit_key: refuses an invalid key or template of a key. Valid is a name, alone or with a colon and anything behind it.
-- Called by: check_limit_template, limit_key. Writes: nothing.
create function check_limit_key(field text, key text) returns void
language plpgsql as $$
begin
    if key is null or length(key) > 200 or length(split_part(key, ':', 1)) > 100 or key !~ '^[A-Za-z0-9_.-]+(:.+)?$' then
        perform invalid(field, key,
                'use a name of letters, digits and . _ - , alone or with a colon and up to 200 characters in all: '
                'tenant:42, tenant:{tenant_id}');
    elsif key ~ '^queue(:|$)' then
        perform invalid(field, key, 'the limit of a queue applies to all its jobs; leave it out');
    end if;
end $$;

-- check_limit_template: the same, where braces stand for an argument. Called by: check_limits. Writes: nothing.
create function check_limit_template(field text, template text) returns void
language plpgsql as $$
begin
    perform check_limit_key(field, template);
    if regexp_replace(template, '[{][^{}]+[}]', '', 'g') ~ '[{}]' then
        perform invalid(field, template, 'put the name of an argument between two braces: tenant:{tenant_id}');
    end if;
end $$;

-- limit_keys: the keys of one job's limits, sorted: {name} and {name.inner} stand for arguments. Called by: insert_job,
-- insert_limited_jobs.
create function limit_keys(given limiting, args jsonb) returns text[]
language plpgsql as $$
declare
    keys     text[] := '{}';
    template text;
begin
    foreach template in array coalesce(given.limits, '{}') loop
        keys := keys || limit_key('limits', template, args);
    end loop;
    if given.fair is not null then
        keys := keys || limit_key('fair', given.fair, args);
    end if;
    if cardinality(keys) > 1 then
        keys := array(select distinct k.key collate "C" from unnest(keys) as k(key) order by 1);
    end if;
    return nullif(keys, '{}');
end $$;

-- limit_key: a key with the arguments in place of their names. Called by: limit_keys.
create function limit_key(field text, template text, args jsonb) returns text
language plpgsql as $$
declare
    key   text := '';
    rest  text := template;
    start int;
    name  text;
    value text;
begin
    loop
        start := position('{' in rest);
        exit when start = 0;
        name := substr(rest, start + 1, position('}' in rest) - start - 1);
        value := args #>> string_to_array(name, '.');
        if value is null then
            perform invalid(field, template,
                    format('the arguments have no %s, or it is null; give it, or name another one', quote_literal(name)));
        end if;
        key := key || left(rest, start - 1) || value;
        rest := substr(rest, position('}' in rest) + 1);
    end loop;
    key := key || rest;
    if key <> template and (length(key) > 200 or key like '%:') then  -- what else may be wrong does not depend on the arguments
        perform check_limit_key(field, key);
    end if;
    return key;
end $$;

-- lane_of: what all jobs of a queue with the same keys have in common, so that no two sets have the same: half a SHA-256.
-- Called by: functions that add jobs with limits. Writes: nothing.
create function lane_of(queue text, keys text[]) returns uuid
language sql stable strict as $$
    select encode(substring(sha256(convert_to(queue || E'\n' || keys::text, 'UTF8')) for 16), 'hex')::uuid
$$;
