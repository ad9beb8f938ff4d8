-- scaling_rules: the rules of the autoscaler for a pool: its own over the defaults. Called by: set_autoscale, autoscale,
-- scaling_figures. Writes: nothing. Raises PQ001 when a rule is unknown or invalid.
--   latency               seconds: the promise that no job waits longer; more ask for workers (default 30). null: not looked at
--   depth_up, depth_down  more ready jobs than depth_up ask for workers (100), fewer than depth_down let some go (10).
--                         null: not looked at
--   utilisation_up, utilisation_down  the same for the part of the slots that is in use (0.9, 0.5). null: not looked at
--   mode                  proportional (default): as many workers as ready and running jobs need, and at most half of them go at
--                         a time; step: `step` workers at a time
--   step                  1
--   check_every           seconds between two checks (30)
--   cooldown_up           seconds after a change upwards until the next one (60)
--   cooldown_down         seconds for which the load must be low, and after any change, until workers go (60)
--   min_connections_left  as many connections to the database stay free (10)
--   connections_per_worker  what a worker opens, as far as is known before it does (4)
--   max_replication_lag   seconds; behind a replica that is later nothing is scaled up. null (default): not looked at
create function scaling_rules(rules jsonb) returns jsonb
language plpgsql stable as $$
#variable_conflict use_variable
declare
    defaults constant jsonb := '{"latency": 30, "depth_up": 100, "depth_down": 10, "utilisation_up": 0.9, "utilisation_down": 0.5,
        "mode": "proportional", "step": 1, "check_every": 30, "cooldown_up": 60, "cooldown_down": 60,
        "min_connections_left": 10, "connections_per_worker": 4, "max_replication_lag": null}';
begin
    if jsonb_typeof(rules) is distinct from 'object' then
        perform invalid('rules', rules::text, 'give an object, for example {"depth_up": 100}');
    end if;
    perform invalid('rules', r.key, 'use ' || (select string_agg(d, ', ' order by d) from jsonb_object_keys(defaults) d))
       from jsonb_object_keys(rules) as r(key) where not defaults ? r.key;
    perform invalid(r.key, r.value #>> '{}', remedy)
       from jsonb_each(rules) as r(key, value), lateral check_scaling_rule(r.key, r.value) as remedy where remedy is not null;
    rules := defaults || rules;
    perform invalid(low, rules->>low, format('use less than %s, which is %s', high, rules->>high))
       from (values ('depth_down', 'depth_up'), ('utilisation_down', 'utilisation_up')) as p(low, high)
      where (rules->>low)::float8 >= (rules->>high)::float8;
    return rules;
end $$;

-- check_scaling_rule: what to use in place of an invalid value; NULL when it is valid. Called by: scaling_rules. Writes: nothing.
create function check_scaling_rule(field text, value jsonb) returns text
language plpgsql immutable as $$
declare
    number   numeric := case when jsonb_typeof(value) = 'number' then value::numeric end;
    is_whole bool := coalesce(number = trunc(number), false);
begin
    return case
        when field = 'mode' then case when value in ('"proportional"', '"step"') then null else 'use proportional or step' end
        when value = 'null' and field in ('latency', 'depth_up', 'depth_down', 'utilisation_up', 'utilisation_down',
                                          'max_replication_lag') then null
        when field in ('latency', 'max_replication_lag') and (number between 0.1 and 86400) is not true
            then 'use seconds, 0.1 to 86400, or null'
        when field in ('check_every', 'cooldown_up', 'cooldown_down') and (number between 1 and 86400) is not true
            then 'use seconds, 1 to 86400'
        when field like 'utilisation%' and (number between 0.01 and 1) is not true then 'use 0.01 to 1, or null'
        when field like 'depth%' and not (is_whole and number between 1 and 1000000000) then 'use a whole number above 0, or null'
        when field = 'step' and not (is_whole and number between 1 and 1000) then 'use a whole number, 1 to 1000'
        when field in ('min_connections_left', 'connections_per_worker') and not (is_whole and number between 0 and 100000)
            then 'use a whole number, 0 to 100000'
    end;
end $$;
