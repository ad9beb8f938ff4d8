-- set_queue: changes settings of a queue; they hold from now on, for waiting jobs too. What is not named stays as it is.
-- Called by: operators, applications. Writes: queue, audit_log. Locks: its row.
-- settings: {"max_ready": 10000, "on_full": "drop_oldest"}; null, and 0 of a number or an interval, is the default again.
--   max_ready         about so many jobs may be ready; see check_depth. Default: any number
--   on_full           refuse (default): enqueuing more raises PQ005; drop_oldest: sweep_queues cancels the oldest
--   starvation_after  an interval, or seconds: jobs that have waited longer overtake others; see starving. Default: none does
--   starvation_share  which part of a claim they may be: 0.001 to 1 (default 0.25)
--   keep_succeeded    false: plain jobs leave no row in the history when they succeed (default true); their results are kept
--   keep_cancelled    the same for jobs that are cancelled
--   dead_days         dead letters are kept this many whole days. Default: until somebody removes them
-- Raises PQ001 when a name or a value is invalid.
create function set_queue(name text, settings jsonb, by text default null) returns void
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    new queue%rowtype;
    old queue%rowtype;
begin
    perform check_queue_name(name);
    settings := checked_settings(settings);
    insert into queue (name) values (name) on conflict on constraint queue_pkey do nothing;
    select * into old from queue q where q.name = name for update;
    new := jsonb_populate_record(old, settings);
    new.max_ready := nullif(new.max_ready, 0);
    new.on_full := coalesce(new.on_full, 'refuse');
    new.starvation_after := nullif(new.starvation_after, interval '0');
    new.starvation_share := coalesce(nullif(new.starvation_share, 0), 0.25);
    new.keep_succeeded := coalesce(new.keep_succeeded, true);
    new.keep_cancelled := coalesce(new.keep_cancelled, true);
    new.dead_days := nullif(new.dead_days, 0);
    update queue q
       set max_ready = new.max_ready, on_full = new.on_full, starvation_after = new.starvation_after,
           starvation_share = new.starvation_share, keep_succeeded = new.keep_succeeded, keep_cancelled = new.keep_cancelled,
           dead_days = new.dead_days, changed_at = clock_timestamp()
     where q.name = name;
    perform audit('set_queue', 'queue', name, by, null, to_jsonb(old) - array['name', 'changed_at'],
                  to_jsonb(new) - array['name', 'changed_at']);
    perform wake('!queues');
end $$;

-- reset_queue: gives all settings of a queue their defaults again. Called by: operators, applications. Writes: queue, audit_log.
-- Locks: its row. Returns false when it had none.
create function reset_queue(name text, by text default null) returns bool
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    gone queue%rowtype;
begin
    perform check_queue_name(name);
    delete from queue q where q.name = name returning q.* into gone;
    if not found then
        return false;
    end if;
    perform audit('reset_queue', 'queue', name, by, null, to_jsonb(gone) - array['name', 'changed_at']);
    return true;
end $$;

-- check_queue_name: refuses what no queue is called, nor a pool. Called by: set_queue, reset_queue, check_pause_name, check_key,
-- make_pool. Writes: nothing.
create function check_queue_name(name text) returns void
language plpgsql as $$
begin
    if name is null or name !~ '^[A-Za-z0-9_.:-]{1,100}$' then
        perform invalid('name', name, 'use 1 to 100 letters, digits and . _ : -');
    end if;
end $$;

-- checked_settings: refuses unknown settings and invalid values; returns them as columns of queue, an interval as text.
-- Called by: set_queue. Writes: nothing.
create function checked_settings(settings jsonb) returns jsonb
language plpgsql as $$
declare
    fields constant text[] := '{max_ready,on_full,starvation_after,starvation_share,keep_succeeded,keep_cancelled,dead_days}';
begin
    if jsonb_typeof(settings) is distinct from 'object' then
        perform invalid('settings', settings::text, 'give an object, for example {"max_ready": 10000}');
    end if;
    perform invalid('settings', key, 'use ' || array_to_string(fields, ', '))
       from jsonb_object_keys(settings) as k(key) where key <> all (fields);
    perform invalid(key, value #>> '{}', remedy)
       from jsonb_each(settings) as s(key, value), lateral check_setting(key, value) as remedy where remedy is not null;
    if settings ? 'starvation_after' then
        settings := settings || jsonb_build_object('starvation_after', interval_of(settings->'starvation_after')::text);
    end if;
    return settings;
end $$;

-- check_setting: what to use in place of an invalid value; NULL when it is valid. Called by: checked_settings. Writes: nothing.
create function check_setting(field text, value jsonb) returns text
language plpgsql as $$
declare
    number numeric := case when jsonb_typeof(value) = 'number' then value::numeric end;
begin
    if jsonb_typeof(value) = 'null' then
        return null;
    end if;
    return case
        when field = 'max_ready' and (number < 2147483647 and value::text ~ '^[0-9]+$') is not true
            then 'use a whole number; 0 for the default'
        when field = 'dead_days' and (number <= 36500 and value::text ~ '^[0-9]+$') is not true
            then 'use a whole number of at most 36500; 0 for the default'
        when field = 'starvation_share' and (number between 0.001 and 1 or number = 0) is not true
            then 'use a number from 0.001 to 1; 0 for the default'
        when field like 'keep_%' and jsonb_typeof(value) <> 'boolean' then 'use true or false'
        when field = 'on_full' and value not in ('"refuse"', '"drop_oldest"') then 'use refuse or drop_oldest'
        when field = 'starvation_after' and fits(interval_of(value), interval '1000 years') is not true
            then 'use an interval or a number of seconds, up to 1000 years; 0 for the default'
    end;
end $$;

-- interval_of: an interval that is given as text or in seconds; NULL when it is neither. Called by: checked_settings,
-- check_setting. Writes: nothing.
create function interval_of(value jsonb) returns interval
language plpgsql as $$
begin
    return case jsonb_typeof(value) when 'number' then make_interval(secs => value::float8)
                                    when 'string' then (value #>> '{}')::interval end;
exception when data_exception then
    return null;
end $$;
