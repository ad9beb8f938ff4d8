-- diagnose_pauses: what has been paused for so long that somebody may have forgotten it. Called by: doctor, workers.
-- Writes: nothing.
create function diagnose_pauses(older interval default '1 day') returns setof finding
language sql stable security definer set search_path from current set jit = off as $$
    select 'pause-forgotten', 'warning', s.subject,
           format('%s is paused since %s by %s%s%s', s.subject, in_utc(paused_at), by, ': ' || left(reason, 200),
                  ', until ' || in_utc(until)),
           jsonb_build_object('kind', kind, 'name', name, 'paused_at', paused_at, 'until', until, 'by', by,
                              'reason', left(reason, 200)),
           'its jobs wait',
           format('select %I.resume(%L, %L)', current_schema(), kind, nullif(name, ''))
      from pauses cross join lateral (select case when kind = 'everything' then kind else kind || ' ' || name end as subject) s
     where paused_at < clock_timestamp() - older order by paused_at limit 100
$$;
