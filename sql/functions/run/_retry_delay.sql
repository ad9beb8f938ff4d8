-- retry_delay: how long to wait after attempt number `attempt` failed.
-- Called by: finish_unended, rescue_job. Writes: nothing.
-- A policy is {"backoff": "exponential" | "linear" | "fibonacci" | "fixed" | "list", "delay": s, "step": s, "cap": s,
-- "delays": [s, ...], "jitter": bool}; NULL means exponential. Without jitter exponential waits 1, 2, 4, 8, 16 ... s.
-- cap is 300 s for the two that grow by themselves, and none for the others: they say what they mean.
-- Jitter takes a random value between half of the delay and the delay: it never waits longer than documented.
create function retry_delay(policy jsonb, attempt int) returns interval
language plpgsql volatile as $$
declare
    base   float8 := coalesce(policy_seconds(policy->'delay'), 1);
    kind   text   := coalesce(policy->>'backoff', 'exponential');
    cap    float8 := coalesce(policy_seconds(policy->'cap'), case when kind in ('exponential', 'fibonacci') then 300
                                                             else 'infinity'::float8 end);
    jitter bool   := coalesce((policy->>'jitter')::bool, true);
    n      int    := greatest(attempt, 1);
    wait   float8;
begin
    case kind
        when 'exponential' then wait := base * power(2, least(n - 1, 30));
        when 'linear'      then wait := base + coalesce(policy_seconds(policy->'step'), 0) * (n - 1);
        when 'fixed'       then wait := base;
        when 'fibonacci'   then wait := base * round(power((1 + sqrt(5)) / 2, least(n, 40)) / sqrt(5));
        when 'list'        then wait := policy_seconds(policy->'delays'->(least(n, jsonb_array_length(policy->'delays')) - 1));
        else perform invalid('retry.backoff', policy->>'backoff', 'use exponential, linear, fixed, fibonacci or list');
    end case;
    wait := least(wait, cap, 1e9);  -- 31 years: step by step a linear one leaves the calendar, and the outcome must be stored
    if jitter then
        wait := wait * (0.5 + random() / 2);
    end if;
    return make_interval(secs => wait);
end $$;

-- policy_seconds: a number of a policy as float8, in whole microseconds: of less than 1e-307 there is none, and a failure with
-- such a policy could not be stored. Called by: retry_delay. Writes: nothing.
create function policy_seconds(given jsonb) returns float8
language sql immutable as $$ select round((given #>> '{}')::numeric, 6)::float8 $$;

-- retry_applies: whether a policy retries an exception, given the names of its class and the classes it inherits from.
-- Called by: finish_unended. "never" wins over "only"; without both every exception is retried.
create function retry_applies(policy jsonb, types jsonb) returns bool
language sql immutable as $$
    select not coalesce(policy->'never' ?| t.names, false) and coalesce(policy->'only' ?| t.names, true)
      from (select array(select jsonb_array_elements_text(coalesce(types, '[]')))) as t(names)
$$;

-- check_retry: refuses a policy that retry_delay could not compute, before it is stored with a job.
-- Called by: check_enqueue, check_rules.
create function check_retry(policy jsonb) returns void
language plpgsql as $$
declare
    field text;
begin
    if policy is null then
        return;
    end if;
    if jsonb_typeof(policy) <> 'object' then
        perform invalid('retry', policy::text, 'give an object, for example {"backoff": "fixed", "delay": 5}');
    end if;
    if coalesce(policy->>'backoff', 'exponential') not in ('exponential', 'linear', 'fixed', 'fibonacci', 'list') then
        perform invalid('retry.backoff', policy->>'backoff', 'use exponential, linear, fixed, fibonacci or list');
    end if;
    perform check_size('retry', policy, 16384);
    foreach field in array array['delay', 'step', 'cap'] loop
        if policy ? field and (case jsonb_typeof(policy->field)
                when 'number' then (policy->>field)::numeric not between 0 and 1000000000 else true end) then
            perform invalid('retry.' || field, policy->>field, 'use a number of seconds, 0 to 1000000000');
        end if;
    end loop;
    if jsonb_typeof(policy->'jitter') <> 'boolean' then
        perform invalid('retry.jitter', policy->>'jitter', 'use true or false');
    end if;
    foreach field in array array['only', 'never'] loop
        if policy ? field and (jsonb_typeof(policy->field) <> 'array'
                or jsonb_path_exists(policy->field, 'strict $[*] ? (@.type() != "string")', silent => true)) then
            perform invalid('retry.' || field, policy->>field, 'use a list of exception names');
        end if;
    end loop;
    if policy->>'backoff' = 'list' and not coalesce(
            jsonb_typeof(policy->'delays') = 'array' and jsonb_array_length(policy->'delays') > 0
            and policy @@ 'strict !exists($.delays[*] ? (@.type() != "number" || @ < 0 || @ > 1000000000))', false) then
        perform invalid('retry.delays', policy->>'delays', 'use a list of at least one number of seconds, each 0 to 1000000000');
    end if;
end $$;
