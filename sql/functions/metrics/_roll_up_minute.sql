-- roll_up_minute: writes the rows of one minute, anew if they are there.
-- Called by: roll_up, check_minute. Writes: metric_minute. Locks: nothing that others wait for.
-- First the jobs of each pair of buckets: from these few groups counts, sums and both histograms follow, so the jobs are read
-- once. The times are parameters: so the index on finished_at and the pruning of partitions work.
create function roll_up_minute(this timestamptz) returns void
language plpgsql set jit = off set work_mem = '64MB' set enable_sort = off set max_parallel_workers_per_gather = 0 as $$
#variable_conflict use_column
declare
    next timestamptz := this + interval '1 minute';
begin
    with grouped as materialized (
        select queue, task, state, bucket_of(elapsed) as duration, bucket_of(waited(run_at, created_at, claimed_at)) as wait,
               count(*) as jobs, sum(failed_attempts(state, attempt, claimed_at, control)) as failed_attempts,
               sum(least(greatest(elapsed, 0), 1e9)) as seconds, sum(waited(run_at, created_at, claimed_at)) as wait_seconds
          from job_history where finished_at >= this and finished_at < next group by 1, 2, 3, 4, 5
        union all
        select queue, task, state, bucket_of(elapsed), bucket_of(waited(run_at, created_at, claimed_at)),
               count(*), sum(failed_attempts(state, attempt, claimed_at, control)),
               sum(least(greatest(elapsed, 0), 1e9)), sum(waited(run_at, created_at, claimed_at))
          from dead_letter where finished_at >= this and finished_at < next group by 1, 2, 3, 4, 5
        union all  -- the sums of a row stand with its first job
        select queue, task, state, duration, wait, 1, case when n = 1 then failed_attempts end,
               case when n = 1 then seconds end, case when n = 1 then wait_seconds end
          from unkept_end, unnest(durations, waits) with ordinality as u(duration, wait, n) where minute = this
    ), total as (
        select queue, task, sum(jobs) filter (where state = 'succeeded') as succeeded,
               sum(jobs) filter (where state = 'cancelled') as cancelled, sum(jobs) filter (where state = 'failed') as failed,
               sum(failed_attempts) as failed_attempts, sum(seconds) as seconds, sum(wait_seconds) as wait_seconds
          from grouped group by queue, task
    ), duration as (
        select queue, task, array_agg(bucket order by bucket) as buckets, array_agg(jobs order by bucket) as jobs
          from (select queue, task, duration as bucket, sum(jobs)::int as jobs from grouped
                 where duration is not null group by queue, task, duration) b
         group by queue, task
    ), wait as (
        select queue, task, array_agg(bucket order by bucket) as buckets, array_agg(jobs order by bucket) as jobs
          from (select queue, task, wait as bucket, sum(jobs)::int as jobs from grouped
                 where wait is not null group by queue, task, wait) b
         group by queue, task
    )
    insert into metric_minute (minute, queue, task, succeeded, cancelled, failed, failed_attempts, seconds, wait_seconds,
                               duration_buckets, duration_jobs, wait_buckets, wait_jobs)
    select this, t.queue, t.task, coalesce(t.succeeded, 0), coalesce(t.cancelled, 0), coalesce(t.failed, 0),
           coalesce(t.failed_attempts, 0), coalesce(t.seconds, 0), coalesce(t.wait_seconds, 0),
           coalesce(d.buckets, '{}'), coalesce(d.jobs, '{}'), coalesce(w.buckets, '{}'), coalesce(w.jobs, '{}')
      from total t left join duration d using (queue, task) left join wait w using (queue, task)
    on conflict (minute, queue, task) do update
       set succeeded = excluded.succeeded, cancelled = excluded.cancelled, failed = excluded.failed,
           failed_attempts = excluded.failed_attempts, seconds = excluded.seconds, wait_seconds = excluded.wait_seconds,
           duration_buckets = excluded.duration_buckets, duration_jobs = excluded.duration_jobs,
           wait_buckets = excluded.wait_buckets, wait_jobs = excluded.wait_jobs;
end $$;

-- check_minute: rolls a minute up again if jobs that ended in it were committed since. Called by: close_hour, close_day.
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
