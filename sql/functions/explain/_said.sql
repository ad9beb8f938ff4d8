-- said_span: a duration in words, with its two largest units. Called by: functions of explain. Writes: nothing.
create function said_span(seconds float8) returns text
language sql immutable as $$
    select case when whole < 1 then trim_scale(round(greatest(seconds, 0)::numeric, 1)) || ' s'
                when whole < 60 then whole || ' s'
                when whole < 3600 then concat_ws(' ', whole / 60 || ' min', nullif(whole % 60, 0) || ' s')
                when whole < 172800 then concat_ws(' ', whole / 3600 || ' h', nullif(whole / 60 % 60, 0) || ' min')
                when whole < 63072000 then concat_ws(' ', whole / 86400 || ' d', nullif(whole / 3600 % 24, 0) || ' h')
                else whole / 31536000 || ' years' end
      from (select round(least(greatest(seconds, 0), 1e12))::bigint as whole) w
$$;

-- said_since: a time of the past and how long ago it was. Called by: functions of explain. Writes: nothing.
create function said_since(at timestamptz) returns text
language sql stable as $$
    select said_time(at) || ' (' || said_span(seconds_until(clock_timestamp(), at)) || ' ago)'
$$;

-- said_until: a time to come and how long it takes; none of calendars is none. Called by: functions of explain. Writes: nothing.
create function said_until(at timestamptz) returns text
language sql stable as $$
    select case when at is null or at > '9900-01-01' then 'without an end' else 'until ' || said_at(at) end
$$;

-- said_at: a time to come and how long it takes. Called by: said_until, functions of explain. Writes: nothing.
create function said_at(at timestamptz) returns text
language sql stable as $$
    select said_time(at) || ' (in ' || said_span(seconds_until(at, clock_timestamp())) || ')'
$$;

-- said_time: a time in UTC, to the second. Called by: said_since, said_at, functions of explain. Writes: nothing.
create function said_time(at timestamptz) returns text
language sql stable strict as $$
    select to_char(least(greatest(at, '0001-01-02Z'), '9999-12-30Z') at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC'
$$;

-- said_name: a name in quotes. Called by: functions of explain. Writes: nothing.
create function said_name(name text) returns text
language sql immutable as $$ select '''' || case when length(name) > 100 then left(name, 99) || '…' else name end || '''' $$;

-- said_names: the first `most` of some names, and how many others there are. Called by: functions of explain. Writes: nothing.
create function said_names(names text[], most int) returns text
language sql immutable as $$
    select string_agg(said_name(n.name), ', ' order by n.place) filter (where n.place <= most)
           || case when count(*) > most then format(' and %s more', count(*) - most) else '' end
      from unnest(names) with ordinality as n(name, place)
$$;

-- said_error: the last of a job's errors, in one line. Called by: functions of explain. Writes: nothing.
create function said_error(errors jsonb) returns text
language sql immutable as $$
    select case when length(line) > 300 then left(line, 299) || '…' else line end
      from (select concat_ws(': ', regexp_replace(left(errors->-1->>'type', 200), '^.*[.]', ''),
                             nullif(btrim(regexp_replace(left(errors->-1->>'message', 400), '[[:space:]]+', ' ', 'g')), ''))
                   as line) l
$$;

-- seconds_until: the seconds from one time to another, of times without an end too. Called by: functions of explain.
-- Writes: nothing.
create function seconds_until(at timestamptz, since timestamptz) returns float8
language sql immutable strict as $$
    select extract(epoch from least(greatest(at, '0001-01-02Z'), '9999-12-30Z'))::float8
           - extract(epoch from least(greatest(since, '0001-01-02Z'), '9999-12-30Z'))::float8
$$;

-- counted: a number with its noun. Called by: functions of explain. Writes: nothing.
create function counted(n bigint, one text, many text) returns text
language sql immutable as $$ select to_char(n, 'FM999,999,999') || ' ' || case when n = 1 then one else many end $$;
