-- series_figures: the sums of metric_series and its percentiles, by step; no row for a step in which nothing ended. Called by:
-- metric_series. Writes: nothing.
create function series_figures(step interval, begins timestamptz, ends timestamptz, in_queue text, of_task text) returns table (
    at timestamptz, ended bigint, succeeded bigint, failed bigint, cancelled bigint, failed_attempts bigint,
    duration_p float8[], wait_p float8[]
)
language sql stable set jit = off set work_mem = '64MB' as $$
    with part as materialized (
        select date_bin(step, r.at, '2001-01-01Z') as step_at,
               div(extract(epoch from r.at - begins), extract(epoch from step))::bigint as step_no, r.*
          from metric_rows(begins, ends, case when extract(epoch from step)::numeric % 86400 = 0 then 'day'
                                              when extract(epoch from step)::numeric % 3600 = 0 then 'hour' else 'minute' end,
                           in_queue is null and of_task is null, in_queue, of_task) r
    ), counted as (
        select step_at, sum(succeeded)::bigint as succeeded, sum(failed)::bigint as failed,
               sum(cancelled)::bigint as cancelled, sum(failed_attempts)::bigint as failed_attempts, count(*) as parts
          from part group by step_at
    ), several as materialized (
        select p.* from part p join counted c using (step_at) where c.parts > 1
    ), element as (  -- as in metric_figures
        select step_no * 2048 + 512 + unnest(duration_buckets) as number, unnest(duration_jobs) as jobs from several
        union all
        select step_no * 2048 + 1536 + unnest(wait_buckets), unnest(wait_jobs) from several
    ), histogram as (
        select p.step_at, h.kind, h.buckets, h.jobs::bigint[]
          from part p join counted c using (step_at), lateral (
               values ('duration', duration_buckets, duration_jobs), ('wait', wait_buckets, wait_jobs)) as h(kind, buckets, jobs)
         where c.parts = 1
        union all
        select begins + (number >> 1) * step, case when number & 1 = 0 then 'duration' else 'wait' end, buckets, jobs
          from (select number >> 10 as number, array_agg(((number & 1023) - 512)::smallint order by number) as buckets,
                       array_agg(jobs order by number) as jobs
                  from (select number, sum(jobs)::bigint as jobs from element group by number) e group by number >> 10) h
    ), percentile as (  -- histogram by histogram, by binary search: windows over all of them took ten times as long
        select h.step_at, h.kind,
               array[1000 * bucket_value(buckets[1 + width_bucket(ceil(0.5 * total) - 1, up_to)]),
                     1000 * bucket_value(buckets[1 + width_bucket(ceil(0.95 * total) - 1, up_to)]),
                     1000 * bucket_value(buckets[1 + width_bucket(ceil(0.99 * total) - 1, up_to)])] as ms
          from histogram h, lateral (
               select array_agg(jobs) as up_to, max(jobs) as total
                 from (select sum(n::float8) over (rows unbounded preceding) as jobs from unnest(h.jobs) as j(n)) j) u
    )
    select step_at, succeeded + failed + cancelled, succeeded, failed, cancelled, failed_attempts, d.ms, w.ms
      from counted c
      left join (select step_at, ms from percentile where kind = 'duration') d using (step_at)
      left join (select step_at, ms from percentile where kind = 'wait') w using (step_at)
$$;

-- depths_at: how many jobs were live and ready at the ends of steps, where they were counted. Called by: metric_series.
-- Writes: nothing.
create function depths_at(begins timestamptz, ends timestamptz, step interval, in_queue text) returns table (
    minute timestamptz, ready bigint, live bigint
)
language sql stable set jit = off as $$
    select s.minute, coalesce(d.ready, 0), coalesce(d.live, 0)
      from (select m.minute from metric_sample m
             where m.minute between begins and ends
               and (m.minute = ends or m.minute = date_bin(step, m.minute, '2001-01-01Z'))) s, lateral (
           select sum(jobs)::bigint as live, sum(jobs) filter (where state = 'ready')::bigint as ready
             from metric_depth where minute = s.minute and (in_queue is null or queue = in_queue)) d
$$;
