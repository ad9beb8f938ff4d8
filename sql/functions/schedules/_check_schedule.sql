-- check_schedule_name: refuses an invalid name. Called by: set_schedule, declare_schedule. Writes: nothing.
create function check_schedule_name(name text) returns void
language plpgsql as $$
begin
    if name is null or name !~ '^[A-Za-z0-9_.:-]{1,100}$' then
        perform invalid('name', name, 'use 1 to 100 letters, digits and . _ : -');
    end if;
end $$;

-- schedule_defaults: what a definition leaves out. Called by: checked_schedule, plan_ticks. Writes: nothing.
create function schedule_defaults() returns jsonb
language sql immutable as $$
    select '{"timezone": "UTC", "misfire": "coalesce", "most": 10, "spacing": 1, "window": 86400, "overlap": "allow",
             "jitter": 0}'::jsonb
$$;

-- schedule_timing: the part of a definition that decides when its ticks are. Called by: save_schedule. Writes: nothing.
create function schedule_timing(definition jsonb) returns jsonb
language sql immutable as $$
    select definition - '{misfire,most,spacing,window,overlap,jitter,job}'::text[]
$$;

-- merge_schedule: a definition with changes: null goes back to the default, job is merged option by option, and cron takes the
-- place of every, or the other way round. Called by: set_schedule, declare_schedule. Writes: nothing.
create function merge_schedule(definition jsonb, changes jsonb) returns jsonb
language plpgsql as $$
declare
    given jsonb := without_nulls(changes);
begin
    if given ? 'cron' and given ? 'every' then
        perform invalid('every', given->>'every', 'give cron or every, not both');
    elsif given ? 'cron' then
        definition := definition - 'every';
    elsif given ? 'every' then
        definition := definition - 'cron';
    end if;
    if jsonb_typeof(given->'job') = 'object' then
        given := jsonb_set(given, '{job}', without_nulls(coalesce(definition->'job', '{}') || (given->'job')));
    end if;
    return without_nulls(definition || changes) || given;
end $$;

-- without_nulls: an object without its members that are null. Called by: merge_schedule, check_filter, checked_spec. Writes:
-- nothing.
create function without_nulls(object jsonb) returns jsonb
language sql immutable as $$
    select coalesce(jsonb_object_agg(key, value) filter (where value <> 'null'), '{}') from jsonb_each(object)
$$;

-- checked_schedule: a definition in its normal form: without defaults, times in UTC, durations in whole microseconds, cron an
-- array. Refuses an invalid one.
-- Called by: set_schedule, declare_schedule. Writes: nothing.
--
-- cron        1 to 20 expressions; only workers can tell whether an expression is valid, see schedule.error
-- every       seconds between two ticks, counted from starts_at, or from 2000-01-01 UTC
-- timezone    of the expressions
-- misfire     what becomes of ticks that were missed: coalesce: one job for all of them; catch_up: one for each, at most `most`,
--             with `spacing` seconds between them; skip: none
-- window      seconds: ticks that were missed longer ago are skipped
-- overlap     while the job before has not ended: allow; skip the tick; buffer_one: make one job more when it has ended
-- jitter      seconds: a job is due up to so much after its tick, see jitter_of
-- starts_at   no tick before it, and none after ends_at
-- job         the options of enqueue, but for those of a single call
create function checked_schedule(definition jsonb) returns jsonb
language plpgsql as $$
declare
    known text[] := '{cron,every,timezone,misfire,most,spacing,window,overlap,jitter,starts_at,ends_at,job}';
begin
    perform invalid('changes', key, 'use ' || array_to_string(known, ', '))
       from jsonb_object_keys(definition) as k(key) where key <> all (known);
    if jsonb_typeof(definition->'cron') = 'string' then
        definition := jsonb_set(definition, '{cron}', jsonb_build_array(definition->'cron'));
    end if;
    perform check_expressions(definition), check_seconds(definition, 'every', 1, 31622400),
            check_choice(definition, 'misfire', '{coalesce,catch_up,skip}'),
            check_choice(definition, 'overlap', '{allow,skip,buffer_one}'),
            check_seconds(definition, 'most', 1, 1000), check_seconds(definition, 'spacing', 0, 86400),
            check_seconds(definition, 'window', 0, 31622400), check_seconds(definition, 'jitter', 0, 86400),
            check_timezone(definition);
    definition := definition || jsonb_build_object('job', checked_scheduled_job(definition->'job'));
    definition := with_utc(with_utc(definition, 'starts_at'), 'ends_at');
    if definition->>'ends_at' <= definition->>'starts_at' then  -- of one form, so they are in the order of their times
        perform invalid('ends_at', definition->>'ends_at', 'give a time after starts_at');
    elsif (definition->>'most')::numeric % 1 <> 0 then
        perform invalid('most', definition->>'most', 'use a whole number from 1 to 1000');
    end if;
    return (select jsonb_object_agg(key, value) from jsonb_each(definition || in_microseconds(definition))
             where value is distinct from schedule_defaults()->key);
end $$;

-- in_microseconds: the durations of a definition in seconds with six decimals: less is no interval, and float8 cannot hold any
-- number of them; and `most`, a whole number, without any. Called by: checked_schedule. Writes: nothing.
create function in_microseconds(definition jsonb) returns jsonb
language sql immutable as $$
    select coalesce(jsonb_object_agg(key, trim_scale(round(value::numeric, 6))), '{}')
      from jsonb_each(definition) where key = any ('{every,spacing,window,jitter,most}')
$$;

-- check_expressions: refuses what cannot be cron expressions, and a schedule that has neither these nor an interval.
-- Called by: checked_schedule. Writes: nothing.
create function check_expressions(definition jsonb) returns void
language plpgsql as $$
begin
    if definition ? 'cron' then
        if jsonb_typeof(definition->'cron') <> 'array' or jsonb_array_length(definition->'cron') not between 1 and 20
           or jsonb_path_exists(definition, 'strict $.cron[*] ? (@.type() != "string")') then
            perform invalid('cron', definition->>'cron', 'give 1 to 20 expressions, for example ["0 2 * * *"]');
        end if;
        perform invalid('cron', expression, 'use an expression of 1 to 200 characters, for example 0 2 * * *')
           from jsonb_array_elements_text(definition->'cron') as c(expression) where length(expression) not between 1 and 200;
    elsif not definition ? 'every' then
        perform invalid('cron', null, 'a schedule needs cron or every, for example {"cron": ["0 2 * * *"]} or {"every": 90}');
    end if;
end $$;

-- check_seconds: refuses a value that is no number, or out of range. Called by: checked_schedule. Writes: nothing.
create function check_seconds(definition jsonb, field text, least_ numeric, most numeric) returns void
language plpgsql as $$
begin
    if definition ? field and (jsonb_typeof(definition->field) <> 'number'
            or (definition->>field)::numeric not between least_ and most) then
        perform invalid(field, definition->>field, format('use a number from %s to %s', least_, most));
    end if;
end $$;

-- check_choice: refuses a value that is none of these. Called by: checked_schedule. Writes: nothing.
create function check_choice(definition jsonb, field text, choices text[]) returns void
language plpgsql as $$
begin
    if definition ? field and (definition->>field) <> all (choices) then
        perform invalid(field, definition->>field, 'use ' || array_to_string(choices, ', '));
    end if;
end $$;

-- check_timezone: refuses a zone that PostgreSQL does not know. Workers refuse more: abbreviations. Called by: checked_schedule.
-- Writes: nothing.
create function check_timezone(definition jsonb) returns void
language plpgsql as $$
begin
    if definition ? 'timezone' then
        if jsonb_typeof(definition->'timezone') <> 'string' or definition->>'timezone' !~ '^[A-Za-z][A-Za-z0-9_+/-]{0,63}$' then
            perform invalid('timezone', definition->>'timezone', 'use the name of a time zone, for example Europe/Berlin or UTC');
        end if;
        perform clock_timestamp() at time zone (definition->>'timezone');
    end if;
exception when invalid_parameter_value then
    perform invalid('timezone', definition->>'timezone', 'use the name of a time zone, for example Europe/Berlin or UTC');
end $$;

-- with_utc: a definition with a time of it in UTC. Refuses what is no time with an offset, and years for which workers compute no
-- ticks. Called by: checked_schedule. Writes: nothing. No \d: with standard_conforming_strings off it would be a d.
create function with_utc(definition jsonb, field text) returns jsonb
language plpgsql as $$
declare
    given text := definition->>field;
begin
    if not definition ? field then
        return definition;
    elsif given ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)$' then
        if given::timestamptz not between '1970-01-01 00:00Z' and '9900-12-31 00:00Z' then
            perform invalid(field, given, 'use a time between the years 1970 and 9900');
        end if;
        return jsonb_set(definition, array[field], to_jsonb(in_utc(given::timestamptz)));
    end if;
    perform invalid(field, given, 'give a time with its offset, for example 2026-11-30T02:00:00+01:00');
exception when data_exception then
    perform invalid(field, given, 'give a time with its offset, for example 2026-11-30T02:00:00+01:00');
end $$;

-- checked_scheduled_job: the job of a schedule as it is kept, see lasting. Refuses one that enqueue would refuse now: it adds one
-- and takes it back. Called by: checked_schedule. Writes: nothing that stays.
create function checked_scheduled_job(job jsonb) returns jsonb
language plpgsql as $$
declare
    unique_options text[] := '{unique_mode,unique_key,unique_period}';
begin
    if jsonb_typeof(job) is distinct from 'object' or job->>'task' is null then
        perform invalid('job', job::text,
                'a schedule needs a task: give the options of enqueue, for example {"task": "send", "args": {"to": 1}}');
    end if;
    perform invalid(field, job->>field, 'it belongs to a single enqueue; leave it out of a schedule')
       from unnest('{run_at,run_after,expires_at,depends_on,run_if,notify}'::text[]) as f(field) where job ? field;
    perform check_jobs(jsonb_build_array(job));
    job := lasting(job);
    begin
        if job ?| unique_options then  -- without its key: it may belong to a transaction that has not ended
            perform check_unique(job->>'unique_mode', (job->>'unique_period')::interval),
                    unique_digest(job->>'task', coalesce(job->'args', '{}'), job->>'unique_key');
        end if;
        perform insert_element(job - unique_options, false);
        raise exception 'taken back' using errcode = 'PQ999';  -- not PQ000: that would stand for all of PQ
    exception
        when sqlstate 'PQ999' then null;
        when data_exception then perform invalid('job', job::text, sqlerrm);
    end;
    return job;
end $$;
