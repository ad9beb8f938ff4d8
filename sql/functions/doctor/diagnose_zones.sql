-- diagnose_zones: times at which a zone is not as far from UTC here as Python says: the two have time zones of their own.
-- Called by: doctor. Writes: nothing.
-- points: [{"zone", "at", "offset"}, …], the offset in seconds: what Python says for times of the coming year
create function diagnose_zones(points jsonb) returns setof finding
language sql stable security definer set search_path from current as $$
    select 'zone-differs', 'warning', zone,
           format('Python and PostgreSQL do not agree about the zone %s at %s times of the coming year, first at %s: %s s and %s s '
                  'from UTC', zone, count(*), in_utc(min(at)), (array_agg(said order by at))[1], (array_agg(here order by at))[1]),
           jsonb_build_object('zone', zone, 'times', count(*), 'first', min(at)),
           'schedules in this zone fire at times that SQL shows differently',
           'update the package tzdata of Python, and the time zones of the server (of the system, or a newer minor release)'
      from jsonb_to_recordset(points) as p(zone text, at timestamptz, "offset" int),
           lateral (select p."offset" as said, extract(epoch from (at at time zone zone) - (at at time zone 'UTC'))::int as here) o
     where zone in (select name from pg_timezone_names) and said <> here
     group by zone
    union all
    select 'zone-unknown', 'error', zone, format('PostgreSQL does not know the zone %s', zone), jsonb_build_object('zone', zone),
           'SQL that shows times of its schedules fails', 'update the time zones of the server'
      from (select distinct zone from jsonb_to_recordset(points) as p(zone text)) z
     where zone not in (select name from pg_timezone_names)
$$;

-- zones_in_use: the time zones of schedules. Called by: doctor. Writes: nothing.
create function zones_in_use() returns setof text
language sql stable security definer set search_path from current as $$
    select distinct coalesce(definition->>'timezone', 'UTC') from schedule order by 1 limit 100
$$;
