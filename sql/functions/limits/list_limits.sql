-- list_limits: a page of limit_status that is as fast whatever waits, in the order of keys.
-- Called by: the REST API, dashboards. Writes: nothing.
-- prefix    only keys that begin so; after: only keys behind it, of the page before
-- count_to  counts so many waiting jobs of a key and no more, and then looks at 50,000 turns and at 10,000 jobs that run; NULL =
--           counts all; 0 = counts nothing, and knows only limits and keys that were used. If there are more of these, a last
--           row without a key says so: keys may be missing, and run more
create function list_limits(prefix text default null, after text default null, most int default 50, count_to int default null)
returns table (key text, limit_name text, enabled bool, rate float8, per interval, burst float8, max_running int, count_cost bool,
               weight int, retry_blocks bool, changed_at timestamptz, tokens float8, used float8, remaining float8,
               burst_used float8, running bigint, waiting bigint, wait_seconds float8, parked_until timestamptz)
language sql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off set work_mem = '16MB' as $$
    with bounds as (
        select coalesce(prefix, '') collate "C" as lo, coalesce(prefix, '') || chr(1114111) collate "C" as hi,
               greatest(coalesce(most, 50), 1) as most
    ), lanes as materialized (  -- what waits has a turn; many enqueues leave many of one lane
        select distinct on (t.lane_id) t.lane_id, t.keys
          from (select lane_id, keys from turn
                 where lane_id is not null and coalesce(prefix, '') not like 'queue:%'  -- no job names these
                 order by lane_id  -- as the index has them
                 limit case when count_to = 0 then 0 when count_to is not null then 50000 end) t
         order by t.lane_id
    ), runs as materialized (  -- as many as workers have slots
        select j.limits from job j where j.state = 'running' and coalesce(prefix, '') not like 'queue:%'
         limit case when count_to = 0 then 0 when count_to is not null then 10000 end
    ), page as materialized (
        select k.key
          from bounds b
         cross join lateral (
               (select d.name as key from limit_def d
                 where d.name >= b.lo and d.name < b.hi and d.name > coalesce(after, '') order by 1 limit b.most)
               union
               (select distinct u.key from bucket u
                 where u.key >= b.lo and u.key < b.hi and u.key > coalesce(after, '') order by 1 limit b.most)
               union
               (select distinct p.key from parking p
                 where p.key >= b.lo and p.key < b.hi and p.key > coalesce(after, '') and p.until > clock_timestamp()
                 order by 1 limit b.most)
               union
               select l.key from lanes t cross join unnest(t.keys) as l(key)
                where l.key >= b.lo and l.key < b.hi and l.key > coalesce(after, '')
               union
               select l.key from runs r cross join unnest(r.limits) as l(key)
                where r.limits is not null and l.key >= b.lo and l.key < b.hi and l.key > coalesce(after, '')) k
         order by k.key limit (select b.most from bounds b)
    ), waits as materialized (  -- once, and not for each key again
        select p.key, array_agg(t.lane_id) as lanes
          from lanes t cross join unnest(t.keys) as l(key) join page p on p.key = l.key group by p.key
    ), active as (
        select l.key, count(*) as jobs from runs r cross join unnest(r.limits) as l(key) where r.limits is not null group by l.key
    ), of_queues as materialized (  -- read only if there are limits of queues
        select q.queue, coalesce(sum(q.jobs) filter (where q.state = 'ready'), 0)::bigint as waiting,
               coalesce(sum(q.jobs) filter (where q.state = 'running'), 0)::bigint as running
          from queue_stats q group by q.queue
    )
    select p.key, d.name, d.enabled, d.rate, d.per, d.burst, d.max_running, d.count_cost, d.weight, d.retry_blocks, d.changed_at,
           f.tokens, f.used,
           case when d.rate is not null then greatest(d.rate - f.used, 0) end, d.burst - f.tokens, coalesce(a.jobs, q.running, 0),
           coalesce(w.jobs, q.waiting, 0),
           greatest(case when d.enabled then greatest(1 - f.tokens, 0) / d.per_second end,
                    extract(epoch from s.until - clock_timestamp())::float8), s.until
      from page p
      left join lateral (
           select u.tokens, u.refilled_at, u.used_since, u.used from bucket u where u.key = p.key
            order by u.refilled_at desc limit 1) b on true
      left join lateral (
           select * from limit_def l where l.name in (p.key, split_part(p.key, ':', 1))
            order by l.name = p.key desc limit 1) d on true
     cross join lateral (
           select case when d.rate is not null
                       then refilled(b.tokens, d.per_second, d.burst, coalesce(b.refilled_at, clock_timestamp()),
                                     clock_timestamp()) end as tokens,
                  case when d.rate is null then null
                       when b.used_since = date_bin(d.per, clock_timestamp(), '2000-01-01') then b.used else 0 end as used) f
      left join lateral (
           select max(k.until) as until from parking k
            where k.key in (p.key, split_part(p.key, ':', 1)) and k.until > clock_timestamp()) s on true
      left join active a on a.key = p.key
      left join lateral (
           select count(*) as jobs
             from (select from waits v cross join unnest(v.lanes) as t(lane_id)
                    cross join lateral (
                         select from job j where j.lane_id = t.lane_id and j.state = 'ready' limit count_to) j
                    where v.key = p.key limit count_to) c
            where p.key not like 'queue:%') w on p.key not like 'queue:%'
      left join lateral (
           select least(o.waiting, coalesce(count_to, o.waiting)) as waiting, o.running
             from of_queues o where o.queue = substr(p.key, 7) and p.key like 'queue:%' offset 0) q on p.key like 'queue:%'
    union all
    select null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null
     where case when count_to > 0 and coalesce(prefix, '') not like 'queue:%'  -- case: else these would be looked for first
                then exists (select from turn where lane_id is not null order by lane_id offset 50000)
                     or exists (select from job where state = 'running' offset 10000) end
     order by 1
$$;
