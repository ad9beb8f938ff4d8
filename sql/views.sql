-- What dashboards and people read. Counts are derived, never kept: no row is updated once a job.

create view jobs as
select id, state, null::final_reason as reason, queue, task, args, priority, attempt, max_attempts, rescues, run_at, created_at,
       claimed_at, null::timestamptz as finished_at, null::real as elapsed, worker_id, retry_of, meta, errors, unknown_since, progress
  from job
union all
select id, state, reason, queue, task, args, priority, attempt, max_attempts, rescues, run_at, created_at,
       claimed_at, finished_at, elapsed, worker_id, retry_of, meta, errors, null, null
  from job_history
union all
select id, state, reason, queue, task, args, priority, attempt, max_attempts, rescues, run_at, created_at,
       claimed_at, finished_at, elapsed, worker_id, retry_of, meta, errors, null, null
  from dead_letter;

-- Live jobs; `oldest` is how long the first in line has been waiting for a worker.
create view queue_stats as
select queue, state, priority, count(*) as jobs,
       max(clock_timestamp() - run_at) filter (where state = 'ready') as oldest,
       count(*) filter (where unknown_since is not null) as no_worker_for_task
  from job group by queue, state, priority;

-- Per task over the last hour, except `dead`: those wait until somebody looks.
create view task_stats as
select task, sum(succeeded)::bigint as succeeded, sum(cancelled)::bigint as cancelled, sum(dead)::bigint as dead,
       max(mean) as mean_seconds, max(p50) as p50_seconds, max(p95) as p95_seconds, max(p99) as p99_seconds
  from (select task, count(*) filter (where state = 'succeeded') as succeeded, count(*) filter (where state = 'cancelled') as cancelled,
               0 as dead, avg(elapsed) as mean, percentile_cont(0.5) within group (order by elapsed) as p50,
               percentile_cont(0.95) within group (order by elapsed) as p95,
               percentile_cont(0.99) within group (order by elapsed) as p99
          from job_history where finished_at > clock_timestamp() - interval '1 hour' group by task
        union all
        select task, 0, 0, count(*), null, null, null, null from dead_letter group by task) per_table
 group by task;

create view worker_status as
select id, name, host, pid, version, queues, concurrency, running, wake_mode, started_at, heartbeat_at, lease,
       case when state = 'lost' or heartbeat_at + lease < clock_timestamp() then 'DEAD'
            when running > 0 then 'ACTIVE'
            else 'IDLE' end as status
  from worker;

create view dead_letters as
select id, queue, task, args, reason, attempt, errors->-1->>'type' as error_type, errors->-1->>'message' as error_message,
       errors->-1->>'traceback' as traceback, finished_at, created_at, worker_id, meta, errors
  from dead_letter;

create view throughput_per_minute as
select date_trunc('minute', finished_at) as minute, queue, count(*) filter (where state = 'succeeded') as succeeded,
       count(*) filter (where state = 'cancelled') as cancelled
  from job_history where finished_at > clock_timestamp() - interval '1 hour'
 group by 1, 2;

create view rescues as
select worker_id, queue, count(*) as rescued, count(*) filter (where crashed) as crashed, max(rescued_at) as last_rescued_at
  from rescue_log group by worker_id, queue;
