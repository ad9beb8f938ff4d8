-- job_samples: the samples by queue and by task. Called by: samples. Writes: nothing.
-- What is not yet in the sums of days is in hours and minutes, each of which is read once: where a day or an hour is closed, the
-- bounds and the sums change in one transaction.
create function job_samples(most int) returns table (metric text, labels text[], value float8)
language sql stable set jit = off set work_mem = '64MB' as $$
    with its as materialized (
        select coalesce(day_at, '-infinity') as day_at, coalesce(hour_at, '-infinity') as hour_at,
               coalesce(minute_at, '-infinity') as minute_at from roll_up_state
    ), part as materialized (
        select queue, task, first_day as day, succeeded, cancelled, failed, failed_attempts, seconds, wait_seconds
          from metric_total
        union all
        select queue, task, hour::date, succeeded, cancelled, failed, failed_attempts, seconds, wait_seconds
          from metric_hour where hour >= (select day_at from its) and hour < (select hour_at from its)
        union all
        select queue, task, minute::date, succeeded, cancelled, failed, failed_attempts, seconds, wait_seconds
          from metric_minute where minute >= (select hour_at from its) and minute < (select minute_at from its)
    ), live as materialized (
        select queue, state::text, sum(jobs) as jobs, max(oldest) as oldest, sum(no_worker_for_task) as unknown
          from queue_stats group by queue, state
    ), queue_label as materialized (
        select name, case when row_number() over (order by min(day), name) <= most then name else 'other' end as label
          from (select queue as name, day from part union all select queue, 'infinity' from live) n group by name
    ), task_label as materialized (
        select task as name, case when row_number() over (order by min(day), task) <= most then task else 'other' end as label
          from part group by task
    ), of_queue as (
        select label, sum(succeeded) as succeeded, sum(cancelled) as cancelled, sum(failed) as failed,
               sum(wait_seconds) as wait_seconds
          from part join queue_label on name = queue group by label
    ), of_task as (
        select label, sum(succeeded) as succeeded, sum(cancelled) as cancelled, sum(failed) as failed,
               sum(failed_attempts) as failed_attempts, sum(seconds) as seconds
          from part join task_label on name = task group by label
    ), bin as (
        select is_wait, name, bucket, sum(n) as n
          from (select false as is_wait, task as name, unnest(duration_buckets) as bucket, unnest(duration_jobs) as n
                  from metric_minute, its where minute >= minute_at - interval '5 minutes' and minute < minute_at
                union all
                select true, queue, unnest(wait_buckets), unnest(wait_jobs)
                  from metric_minute, its where minute >= minute_at - interval '5 minutes' and minute < minute_at) e
         group by is_wait, name, bucket
    ), recent as materialized (
        select is_wait, name, bucket_value(min(bucket) filter (where up_to >= 0.5 * total)) as p50,
               bucket_value(min(bucket) filter (where up_to >= 0.95 * total)) as p95,
               bucket_value(min(bucket) filter (where up_to >= 0.99 * total)) as p99
          from (select is_wait, name, bucket, sum(n) over (partition by is_wait, name order by bucket) as up_to,
                       sum(n) over (partition by is_wait, name) as total from bin) b
         group by is_wait, name
    ), dead as (  -- a million of them are counted in a tenth of a second
        select coalesce(l.label, 'other') as label, sum(d.jobs) as jobs
          from (select queue, count(*) as jobs from dead_letter
                 where (select reltuples <= 200000 from pg_class where oid = 'dead_letter'::regclass) group by queue) d
          left join queue_label l on l.name = d.queue group by 1
        union all
        select '(all)', reltuples from pg_class where oid = 'dead_letter'::regclass and reltuples > 200000
    )
    select 'pgqueue_jobs', array[l.label, s.state], coalesce(sum(live.jobs), 0)::float8
      from queue_label l cross join (values ('blocked'), ('scheduled'), ('ready'), ('running')) as s(state)
      left join live on live.queue = l.name and live.state = s.state
     group by l.label, s.state
    union all
    select 'pgqueue_oldest_ready_seconds', array[l.label],
           coalesce(max(greatest(extract(epoch from live.oldest), 0)) filter (where live.state = 'ready'), 0)::float8
      from queue_label l left join live on live.queue = l.name group by l.label
    union all
    select 'pgqueue_jobs_without_worker', array[l.label], sum(live.unknown)::float8
      from live join queue_label l on l.name = live.queue group by l.label having sum(live.unknown) > 0
    union all
    select 'pgqueue_dead_letters', array[label], jobs::float8 from dead
    union all
    select 'pgqueue_jobs_ended_total', array[label, o.outcome], o.jobs::float8
      from of_queue cross join lateral (
           values ('succeeded', succeeded), ('failed', failed), ('cancelled', cancelled)) as o(outcome, jobs)
    union all
    select 'pgqueue_queue_wait_seconds_total', array[label], wait_seconds from of_queue
    union all
    select 'pgqueue_task_jobs_ended_total', array[label, o.outcome], o.jobs::float8
      from of_task cross join lateral (
           values ('succeeded', succeeded), ('failed', failed), ('cancelled', cancelled)) as o(outcome, jobs)
    union all
    select 'pgqueue_task_failed_attempts_total', array[label], failed_attempts::float8 from of_task
    union all
    select 'pgqueue_task_run_seconds_total', array[label], seconds from of_task
    union all
    select 'pgqueue_task_recent_run_seconds', array[l.label, q.quantile], q.seconds
      from recent r join task_label l on l.name = r.name and l.label = l.name
     cross join lateral (values ('0.5', p50), ('0.95', p95), ('0.99', p99)) as q(quantile, seconds)
     where not r.is_wait
    union all
    select 'pgqueue_queue_recent_wait_seconds', array[l.label, q.quantile], q.seconds
      from recent r join queue_label l on l.name = r.name and l.label = l.name
     cross join lateral (values ('0.5', p50), ('0.95', p95), ('0.99', p99)) as q(quantile, seconds)
     where r.is_wait
$$;
