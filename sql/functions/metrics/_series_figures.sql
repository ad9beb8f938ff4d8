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
                           in_queue is null and of_task is null) r
         where (in_queue is null or queue = in_queue) and (of_task is null or task = of_task)
    ), counted as (
        select step_at, sum(succeeded)::bigint as succeeded, sum(failed)::bigint as failed,
               sum(cancelled)::bigint as cancelled, sum(failed_attempts)::bigint as failed_attempts from part group by step_at
    ), element as (  -- as in metric_figures
        select step_no * 2048 + 512 + unnest(duration_buckets) as number, unnest(duration_jobs) as jobs from part
        union all
        select step_no * 2048 + 1536 + unnest(wait_buckets), unnest(wait_jobs) from part
    ), percentile as (
        select begins + (number >> 11) * step as step_at, case when number & 1024 = 0 then 'duration' else 'wait' end as kind,
               array[1000 * bucket_value(min(bucket) filter (where up_to >= 0.5 * total)),
                     1000 * bucket_value(min(bucket) filter (where up_to >= 0.95 * total)),
                     1000 * bucket_value(min(bucket) filter (where up_to >= 0.99 * total))] as ms
          from (select number & ~1023 as number, ((number & 1023) - 512)::int as bucket,
                       sum(jobs) over (partition by number >> 10 order by number) as up_to,
                       sum(jobs) over (partition by number >> 10) as total
                  from (select number, sum(jobs)::float8 as jobs from element group by number) e) b
         group by number
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
