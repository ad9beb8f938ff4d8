-- diagnose_zones: times at which a zone is not as far from UTC here as Python says: the two have time zones of their own.
-- Called by: doctor. Writes: nothing.
-- points: [{"zone", "at", "offset"}, …], the offset in seconds: what Python says for times of the coming year
create function diagnose_zones(points jsonb) returns setof finding
language plpgsql stable security definer set search_path from current set jit = off as $$
#variable_conflict use_variable
declare
    its  text;
    odd  record;
begin
    for its in select distinct zone from jsonb_to_recordset(points) as p(zone text) order by 1 loop
        begin
            select count(*) as times, min(at) as first, (array_agg(said order by at))[1] as said,
                   (array_agg(here order by at))[1] as here
              into odd
              from (select p.at, p."offset" as said,
                           extract(epoch from (p.at at time zone its) - (p.at at time zone 'UTC'))::int as here
                      from jsonb_to_recordset(points) as p(zone text, at timestamptz, "offset" int) where p.zone = its) both_say
             where said <> here;
            return query
            select 'zone-differs', 'warning', its,
                   format('Python and PostgreSQL do not agree about the zone %s at %s times of the coming year, first at %s: '
                          '%s s and %s s from UTC', its, odd.times, in_utc(odd.first), odd.said, odd.here),
                   jsonb_build_object('zone', its, 'times', odd.times, 'first', odd.first),
                   'schedules in this zone fire at times that SQL shows differently',
                   'update the package tzdata of Python, and the time zones of the server: of its system, or by a minor release'
             where odd.times > 0;
        exception when invalid_parameter_value then
            return query
            select 'zone-unknown', 'error', its, format('PostgreSQL does not know the zone %s', its),
                   jsonb_build_object('zone', its), 'SQL that shows times of its schedules fails',
                   'update the time zones of the server: of its system, or by a minor release';
        end;
    end loop;
end $$;

-- zones_in_use: the time zones of schedules. Called by: doctor. Writes: nothing.
create function zones_in_use() returns setof text
language sql stable security definer set search_path from current as $$
    select distinct coalesce(definition->>'timezone', 'UTC') from schedule order by 1 limit 100
$$;
