-- roll_up_minute: writes the rows of one minute, anew if they are there.
-- Called by: close_minute, check_minute. Writes: metric_minute, metric_all. Locks: nothing that others wait for.
-- One scan, which gathers the buckets of all jobs of a queue, task and state in two arrays; each is counted by itself. That took
-- 1.4 s for a minute of a million jobs; grouping by the buckets took two scans and 1.7 s, both histograms in one key 3 s. The
-- times are parameters, so that the index on finished_at and the pruning of partitions work.
create function roll_up_minute(this timestamptz) returns void
language plpgsql set jit = off set work_mem = '64MB' set max_parallel_workers_per_gather = 0
-- Pinned: a million jobs are not sorted for a few hundred groups, and no two of their arrays are alike.
set enable_sort = off set enable_memoize = off as $$
declare
    next timestamptz := this + interval '1 minute';
begin
    with ended as (
        select queue, task, state, seconds_in(elapsed) as seconds, waited(run_at, created_at, claimed_at) as wait,
               failed_attempts(state, attempt, claimed_at, control) as failed_attempts
          from job_history where finished_at >= this and finished_at < next
        union all
        select queue, task, state, seconds_in(elapsed), waited(run_at, created_at, claimed_at),
               failed_attempts(state, attempt, claimed_at, control)
          from dead_letter where finished_at >= this and finished_at < next
    ), part as materialized (
        select queue, task, state, count(*) as jobs, sum(failed_attempts) as failed_attempts, sum(seconds) as seconds,
               sum(wait) as wait_seconds, array_agg(bucket_of(seconds)) as durations, array_agg(bucket_of(wait)) as waits
          from ended group by queue, task, state
        union all
        select queue, task, state, jobs, failed_attempts, seconds, wait_seconds, durations, waits
          from unkept_end where minute = this
    ), total as (
        select queue, task, coalesce(sum(jobs) filter (where state = 'succeeded'), 0) as succeeded,
               coalesce(sum(jobs) filter (where state = 'cancelled'), 0) as cancelled,
               coalesce(sum(jobs) filter (where state = 'failed'), 0) as failed, sum(failed_attempts) as failed_attempts,
               coalesce(sum(seconds), 0) as seconds, coalesce(sum(wait_seconds), 0) as wait_seconds
          from part group by queue, task
    ), bin as (
        select queue, task, kind, bucket, sum(n)::int as n
          from part, lateral (values ('duration', durations), ('wait', waits)) as k(kind, buckets), lateral (
               select bucket, count(*) as n from unnest(buckets) as u(bucket) where bucket is not null group by bucket) b
         group by queue, task, kind, bucket
    ), histogram as (
        select queue, task, kind, array_agg(bucket order by bucket) as buckets, array_agg(n order by bucket) as jobs
          from bin group by queue, task, kind
    )
    insert into metric_minute
    select this, t.*, coalesce(d.buckets, '{}'), coalesce(d.jobs, '{}'), coalesce(w.buckets, '{}'), coalesce(w.jobs, '{}')
      from total t
      left join histogram d on d.queue = t.queue and d.task = t.task and d.kind = 'duration'
      left join histogram w on w.queue = t.queue and w.task = t.task and w.kind = 'wait'
    on conflict (minute, queue, task) do update
       set (succeeded, cancelled, failed, failed_attempts, seconds, wait_seconds,
            duration_buckets, duration_jobs, wait_buckets, wait_jobs)
         = row(excluded.succeeded, excluded.cancelled, excluded.failed, excluded.failed_attempts, excluded.seconds,
               excluded.wait_seconds, excluded.duration_buckets, excluded.duration_jobs,
               excluded.wait_buckets, excluded.wait_jobs);
    perform sum_up('minute', this);
end $$;

-- check_minute: rolls a minute up again if jobs that ended in it were committed since. Called by: close_minute, close_hour,
-- close_day.
-- Writes: metric_minute. Returns whether there were some.
-- More, not other: rows that somebody has deleted by hand were counted.
create function check_minute(this timestamptz) returns bool
language plpgsql set jit = off set enable_seqscan = off set max_parallel_workers_per_gather = 0 as $$
declare
    next    timestamptz := this + interval '1 minute';
    ended   bigint := (select count(*) from job_history where finished_at >= this and finished_at < next)
                      + (select count(*) from dead_letter where finished_at >= this and finished_at < next)
                      + (select coalesce(sum(jobs), 0) from unkept_end where minute = this);
    counted bigint := (select coalesce(sum(succeeded + cancelled + failed), 0) from metric_minute where minute = this);
begin
    if ended > counted then
        perform roll_up_minute(this);
    end if;
    return ended > counted;
end $$;
