-- dead_stats: the dead letters of a filter, counted by one of their properties, the largest number first; hours the latest first.
-- Called by: operators, dashboards. Writes: nothing. Raises PQ001 for an invalid filter or property. Looks as far as dead_groups,
-- and looked_to says how far that was.
-- by: task, queue, reason, error_type, fingerprint; hour: of their end, in UTC; worker, host, version: of the last run. Host
-- and version are NULL if the worker is not kept any more. look: at so many dead letters, 100 to 100,000
create function dead_stats(by text, filter jsonb default '{}', most int default 100, look int default 100000)
returns table (value text, jobs bigint, first_at timestamptz, last_at timestamptz, looked_to timestamptz)
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_column
declare
    checked jsonb := dead_filter(filter);
    of_it   text := case when by in ('task', 'queue', 'error_type', 'fingerprint') then by
                         when by = 'reason' then 'reason::text'
                         when by = 'worker' then 'worker_id::text'
                         when by = 'host' then '(select host from worker w where w.id = d.worker_id)'
                         when by = 'version' then '(select version from worker w where w.id = d.worker_id)'
                         when by = 'hour' then 'to_char(finished_at at time zone ''UTC'', ''YYYY-MM-DD"T"HH24":00Z"'')' end;
begin
    if of_it is null then
        perform invalid('by', by, 'use task, queue, reason, error_type, fingerprint, hour, worker, host or version');
    end if;
    return query execute
        'select ' || of_it || ' as value, count(*) as jobs, min(finished_at), max(finished_at), ('
        || dead_looked_to(checked, look) || ') ' || dead_source(checked, dead_look(look))
        || ' group by 1 order by ' || case by when 'hour' then '1 desc' else 'count(*) desc, 1' end || ' limit $2'
      using filter_of(checked), greatest(coalesce(most, 100), 1);
end $$;
