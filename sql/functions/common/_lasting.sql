-- lasting: options of an enqueue that are stored now and read later, by sessions with other settings: its times in UTC and its
-- intervals in ISO 8601, as this session means them. Called by: checked_callback, checked_scheduled_job, checked_spec.
-- Writes: nothing. Raises PQ001 for a value that is neither. Other options are left as they are.
create function lasting(options jsonb) returns jsonb
language plpgsql as $$
declare
    times     text[] := '{run_at,expires_at}';
    intervals text[] := '{run_after,result_ttl,unique_period,timeout,soft_timeout,expires_after,total_timeout,force_after}';
begin
    if not options ?| (times || intervals) then
        return options;
    end if;
    return options || (
        select coalesce(jsonb_object_agg(key, case when key = any (times) then lasting_time(key, options->>key)
                                                   else lasting_interval(key, options->>key) end), '{}')
          from unnest(times || intervals) as f(key) where options->>key is not null);
end $$;

-- lasting_time: a time in UTC. Called by: lasting. Writes: nothing. Raises PQ001.
create function lasting_time(field text, given text) returns text
language plpgsql stable as $$
begin
    if given::timestamptz not between '0001-01-02' and '9999-12-30' then
        perform invalid(field, given, 'give a time between the years 1 and 9999');
    end if;
    return in_utc(given::timestamptz);
exception when data_exception then
    perform invalid(field, given, 'give a time with its offset, for example 2026-11-30T02:00:00+01:00');
end $$;

-- lasting_interval: an interval in ISO 8601. Called by: lasting. Writes: nothing. Raises PQ001.
create function lasting_interval(field text, given text) returns text
language plpgsql stable as $$
begin
    return in_iso(given::interval);
exception when data_exception then
    perform invalid(field, given, 'give an interval, for example 90 s or 2 hours');
end $$;

-- in_iso: an interval as text that means the same under every IntervalStyle. Called by: lasting_interval. Writes: nothing.
create function in_iso(value interval) returns text
language sql stable set intervalstyle = 'iso_8601' as $$ select value::text $$;
