-- metric_figures: the sums of metrics and its percentiles, by scope and name. Called by: metrics. Writes: nothing.
-- The name of all is ''. Elements of histograms are many: they are added up by queue and task first, so that what is grouped
-- three times is little, and by one number that stands for these, the kind and the bucket; by texts that takes twice as long.
create function metric_figures(begins timestamptz, ends timestamptz) returns table (
    scope text, name text, enqueued bigint, succeeded bigint, failed bigint, cancelled bigint, failed_attempts bigint,
    seconds float8, durations float8, duration_p float8[], wait_seconds float8, waits float8, wait_p float8[], ready jsonb
)
language sql stable set jit = off set work_mem = '64MB' as $$
    with part as materialized (
        select r.*, dense_rank() over (order by queue, task) as id from metric_rows(begins, ends) r
    ), counted as (
        select s.scope, s.name, sum(succeeded)::bigint as succeeded, sum(failed)::bigint as failed,
               sum(cancelled)::bigint as cancelled, sum(failed_attempts)::bigint as failed_attempts,
               sum(seconds) as seconds, sum(wait_seconds) as wait_seconds
          from part, lateral (values ('all', ''), ('queue', queue), ('task', task)) as s(scope, name) group by s.scope, s.name
    ), member as (
        select p.id, s.scope, s.name, dense_rank() over (order by s.scope, s.name) as no
          from (select distinct id, queue, task from part) p,
               lateral (values ('all', ''), ('queue', queue), ('task', task)) as s(scope, name)
    ), element as (  -- a bucket is from -276 to 414
        select id * 2048 + 512 + unnest(duration_buckets) as number, unnest(duration_jobs) as jobs from part
        union all
        select id * 2048 + 1536 + unnest(wait_buckets), unnest(wait_jobs) from part
    ), bin as (
        select m.no * 2048 + (e.number & 2047) as number, sum(e.jobs) as jobs
          from (select number, sum(jobs)::float8 as jobs from element group by number) e join member m on m.id = e.number >> 11
         group by 1
    ), percentile as (
        select scope, name, kind, jobs, ms
          from (select number >> 11 as no, case when number & 1024 = 0 then 'duration' else 'wait' end as kind,
                       max(total)::float8 as jobs,
                       array[1000 * bucket_value(min(bucket) filter (where up_to >= 0.5 * total)),
                             1000 * bucket_value(min(bucket) filter (where up_to >= 0.95 * total)),
                             1000 * bucket_value(min(bucket) filter (where up_to >= 0.99 * total))] as ms
                  from (select number & ~1023 as number, ((number & 1023) - 512)::int as bucket,
                               sum(jobs) over (partition by number >> 10 order by number) as up_to,
                               sum(jobs) over (partition by number >> 10) as total
                          from bin) b
                 group by number) p
          join (select distinct no, scope, name from member) m using (no)
    ), depth as (
        select s.scope, s.name, minute, priority, state = 'ready' as is_ready, sum(jobs) as jobs
          from metric_depth, lateral (values ('all', ''), ('queue', queue)) as s(scope, name)
         where minute in (begins, ends) group by s.scope, s.name, minute, priority, is_ready
    ), live as (
        select d.scope, d.name, coalesce(sum(jobs) filter (where minute = ends), 0)
                                - coalesce(sum(jobs) filter (where minute = begins), 0) as more,
               jsonb_object_agg(priority, jobs) filter (where minute = ends and is_ready) as ready
          from depth d group by d.scope, d.name
    ), named as (
        select 'all' as scope, '' as name union select c.scope, c.name from counted c union select l.scope, l.name from live l
    )
    select n.scope, n.name,
           case when n.scope <> 'task' and exists (select from metric_sample where minute = ends)
                     and (exists (select from metric_sample where minute = begins)
                          or begins <= (select created_at from setting))  -- nothing was live before the install was made
                then greatest(coalesce(c.succeeded + c.failed + c.cancelled, 0) + coalesce(l.more, 0), 0)::bigint end,
           coalesce(c.succeeded, 0), coalesce(c.failed, 0), coalesce(c.cancelled, 0), coalesce(c.failed_attempts, 0),
           c.seconds, d.jobs, d.ms, c.wait_seconds, w.jobs, w.ms,
           case when n.scope <> 'task' then coalesce(l.ready, '{}') end
      from named n
      left join counted c on c.scope = n.scope and c.name = n.name
      left join live l on l.scope = n.scope and l.name = n.name
      left join percentile d on d.scope = n.scope and d.name = n.name and d.kind = 'duration'
      left join percentile w on w.scope = n.scope and w.name = n.name and w.kind = 'wait'
$$;

-- worker_figures: the workers and how busy they are. Called by: metrics. Writes: nothing.
create function worker_figures() returns jsonb
language sql stable as $$
    select jsonb_build_object('active', active, 'idle', idle, 'dead', dead, 'slots', slots, 'running', running,
                              'per_cent', round(100.0 * running / nullif(slots, 0), 1))
      from (select count(*) filter (where status <> 'DEAD' and running > 0) as active,
                   count(*) filter (where status <> 'DEAD' and running = 0) as idle,
                   count(*) filter (where status = 'DEAD') as dead,
                   coalesce(sum(concurrency) filter (where status <> 'DEAD'), 0) as slots,
                   coalesce(sum(running) filter (where status <> 'DEAD'), 0) as running from worker_status) w
$$;
