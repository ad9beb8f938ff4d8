-- limit_starts: how many jobs of a key started in each of the last minutes, for a chart beside its limit; the oldest first.
-- Called by: the REST API, dashboards. Writes: nothing. Raises PQ001 for a bad number of minutes.
-- key      of a limit; a name counts all of its keys, queue:mail the jobs of the queue
-- It looks at jobs that run, and at the 10,000 that ended last. Earlier attempts of a job are not seen, nor what waits again.
-- looked_to: where more have ended, minutes before it are NULL; NULL = all were seen.
-- tokens   what the starts cost; the last minute goes on
create function limit_starts(key text, minutes int default 30)
returns table (at timestamptz, starts bigint, tokens bigint, looked_to timestamptz)
language plpgsql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_column
declare
    its_key constant text := key;
    its_queue constant text := case when key like 'queue:%' then substr(key, 7) end;
    until   constant timestamptz := date_trunc('minute', clock_timestamp(), 'UTC');
    since   timestamptz;
begin
    if (minutes between 1 and 60) is not true then
        perform invalid('minutes', minutes::text, 'use a whole number from 1 to 60');
    end if;
    since := until - make_interval(mins => minutes - 1);
    return query
    with gone as materialized (
        select h.claimed_at, h.finished_at, h.queue, h.limits, h.cost
          from job_history h where h.finished_at >= since order by h.finished_at desc limit 10000
    ), dead as materialized (
        select d.claimed_at, d.finished_at, d.queue, d.limits, d.cost
          from dead_letter d where d.finished_at >= since order by d.finished_at desc limit 10000
    ), bound as (
        select greatest((select min(g.finished_at) from gone g having count(*) = 10000),
                        (select min(d.finished_at) from dead d having count(*) = 10000)) as looked_to
    ), started as (
        select date_trunc('minute', s.claimed_at, 'UTC') as at, count(*) as starts, sum(coalesce(s.cost, 1)) as tokens
          from (select g.claimed_at, g.queue, g.limits, g.cost from gone g
                union all select d.claimed_at, d.queue, d.limits, d.cost from dead d
                union all select j.claimed_at, j.queue, j.limits, j.cost from job j where j.state = 'running') s
         where s.claimed_at >= since
           and (s.queue = its_queue or its_key = any (s.limits)
                or exists (select from unnest(s.limits) as l(key) where split_part(l.key, ':', 1) = its_key))
         group by 1
    )
    select m.at, case when b.looked_to > m.at then null else coalesce(s.starts, 0) end,
           case when b.looked_to > m.at then null else coalesce(s.tokens, 0) end, b.looked_to
      from generate_series(since, until, interval '1 minute') as m(at)
     cross join bound b left join started s on s.at = m.at
     order by m.at;
end $$;
