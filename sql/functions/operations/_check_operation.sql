-- check_operation: raises PQ001 for what an operation may not be. Called by: start_operation, preview_operation. Writes: nothing.
create function check_operation(kind text, per_second float8) returns void
language plpgsql as $$
begin
    if states_of_kind(kind) is null then
        perform invalid('kind', kind, 'use cancel, retry, discard or update');
    elsif not per_second between 0.001 and 1e6 then  -- NaN is larger than any number
        perform invalid('per_second', per_second::text, 'use a number from 0.001 to 1,000,000');
    end if;
end $$;

-- states_of_kind: the states of jobs on which a verb can act. Called by: check_operation, operation_filter, wanted_states.
-- Writes: nothing.
create function states_of_kind(kind text) returns text[]
language sql immutable as $$
    select case kind when 'cancel'  then array['blocked', 'scheduled', 'ready', 'running']
                     when 'update'  then array['blocked', 'scheduled', 'ready']
                     when 'discard' then array['failed']
                     when 'retry'   then array['failed', 'scheduled', 'succeeded', 'cancelled'] end
$$;

-- operation_filter: the filter of an operation as it is stored. Called by: start_operation, preview_operation. Writes: nothing.
-- Without a state it gets those of the verb; a retry by filter means dead letters unless it says otherwise: nobody wants to run
-- all succeeded jobs again by mistake. Jobs that are named by id keep none: of each one that is left alone the operation tells
-- why. Where all of these are final, jobs that end later are left out: one that is retried and fails again is not retried for
-- ever.
create function operation_filter(kind text, given jsonb, is_all bool, began timestamptz) returns jsonb
language plpgsql as $$
declare
    its   jsonb := check_filter(given);
    may   text[] := states_of_kind(kind);
    wrong text;
begin
    if array(select key from jsonb_each(its) as f(key, value) where value <> '{}') = '{}' and is_all is not true then
        perform invalid('filter', its::text, 'it means every job: name a field, or say is_all');
    end if;
    select s.value into wrong from jsonb_array_elements_text(its->'state') as s(value) where s.value <> all (may);
    if found then
        perform invalid('state', wrong, format('%s acts on jobs that are %s', kind, array_to_string(may, ', ')));
    elsif not its ? 'state' and not its ? 'ids' then
        its := its || jsonb_build_object('state', case kind when 'retry' then '["failed"]' else to_jsonb(may) end);
    end if;
    if its->'state' <@ '["succeeded", "failed", "cancelled"]' and not its ? 'finished_before' then
        its := its || jsonb_build_object('finished_before', in_utc(began));
    end if;
    return its;
end $$;

-- checked_spec: the options of a verb as they are stored. Called by: start_operation. Writes: nothing. Raises PQ001, and 42501
-- for args of a caller that may not enqueue.
--   cancel   force, force_after
--   retry    rules, keep_attempts, run_after, force
--   update   args, priority, queue, run_at or run_after, which is resolved here: at least one of them
create function checked_spec(kind text, spec jsonb) returns jsonb
language plpgsql as $$
#variable_conflict use_variable
declare
    may   constant jsonb := '{"cancel": ["force", "force_after"], "retry": ["rules", "keep_attempts", "run_after", "force"],
                              "update": ["args", "priority", "queue", "run_at", "run_after"], "discard": []}';
    its   jsonb;
    wrong text;
    due   timestamptz;
begin
    if jsonb_typeof(coalesce(spec, '{}')) <> 'object' then
        perform invalid('spec', spec::text, 'use an object with options of the verb');
    end if;
    its := without_nulls(coalesce(spec, '{}'));
    select key into wrong from jsonb_object_keys(its) as k(key) where not may->kind ? key;
    if found then
        perform invalid('spec', wrong, coalesce('use ' || nullif(array_to_string(array(
            select jsonb_array_elements_text(may->kind)), ', '), ''), kind || ' has no options'));
    end if;
    perform check_rules(its->'rules');
    its := lasting(its);
    begin
        perform check_force(coalesce((its->>'force')::bool, false), (its->>'force_after')::interval),
                (its->>'keep_attempts')::bool;
        due := check_enqueue('operation', coalesce(its->>'queue', 'default'), coalesce((its->>'priority')::int, 0),
                             (its->>'run_at')::timestamptz, (its->>'run_after')::interval, null, null);
    exception when data_exception then
        perform invalid('spec', its::text, sqlerrm);
    end;
    if kind = 'update' then
        if its = '{}' then
            perform invalid('spec', '{}', 'give what is to change: args, priority, queue, run_at or run_after');
        elsif its ? 'args' then
            perform assert_may_enqueue('args'), check_args(its->'args');
        end if;
        if its ?| '{run_at,run_after}' then  -- as the one who asks means it: the worker may be in another time zone
            its := its - 'run_after' || jsonb_build_object('run_at', in_utc(due));
        end if;
    end if;
    return its;
end $$;
