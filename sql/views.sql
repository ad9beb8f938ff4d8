-- What dashboards and people read. Counts are derived, never kept: no row is updated once a job.

create view jobs as
select id, state, null::final_reason as reason, queue, task, args, priority, attempt, max_attempts, rescues, run_at, created_at,
       claimed_at, null::timestamptz as finished_at, null::real as elapsed, worker_id, retry_of, meta, errors, unknown_since, progress,
       workflow_id
  from job
union all
select id, state, reason, queue, task, args, priority, attempt, max_attempts, rescues, run_at, created_at,
       claimed_at, finished_at, elapsed, worker_id, retry_of, meta, errors, null, null, workflow_id
  from job_history
union all
select id, state, reason, queue, task, args, priority, attempt, max_attempts, rescues, run_at, created_at,
       claimed_at, finished_at, elapsed, worker_id, retry_of, meta, errors, null, null, workflow_id
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

-- Counts are derived, so this looks at every node of the workflow: cheap for one, not for all of many large ones.
create view workflow_progress as
select w.id, w.name, coalesce(w.outcome::text, 'running') as status, w.nodes, w.open, s.*, w.created_at, w.finished_at, w.cancelled_at,
       w.repairs
  from workflow w cross join lateral (
       select count(*) filter (where n.state = 'blocked') as blocked, count(*) filter (where j.state = 'scheduled') as scheduled,
              count(*) filter (where j.state = 'ready') as ready, count(*) filter (where j.state = 'running') as running,
              count(*) filter (where n.state = 'succeeded') as succeeded, count(*) filter (where n.state = 'failed') as failed,
              count(*) filter (where n.state = 'cancelled') as cancelled, count(*) filter (where n.state = 'skipped') as skipped
         from workflow_node n left join job j on n.state = 'live' and j.id = n.job_id
        where n.workflow_id = w.id) s;

create view workflow_nodes as
select n.workflow_id, n.job_id, n.name, n.task, coalesce(j.queue, d.queue, h.queue) as queue,
       coalesce(case when n.state = 'live' then j.state::text end, n.state::text) as state, n.pending_parents as waits_for,
       coalesce(j.attempt, d.attempt, h.attempt) as attempt, coalesce(d.elapsed, h.elapsed) as elapsed,
       coalesce(d.reason, h.reason) as reason, coalesce(j.errors, d.errors, h.errors)->-1 as error, j.progress,
       coalesce(j.created_at, d.created_at, h.created_at) as created_at,
       coalesce(j.claimed_at, d.claimed_at, h.claimed_at) as started_at, n.ended_at
  from workflow_node n
  left join job j on n.ended_at is null and j.id = n.job_id
  left join dead_letter d on n.state = 'failed' and d.id = n.job_id
  left join job_history h on n.state in ('succeeded', 'cancelled', 'skipped') and h.id = n.job_id;
