-- What dashboards and people read. Counts are derived, never kept: no row is updated once a job.

create view jobs as
select id, state, null::final_reason as reason, queue, task, args, priority,
       least(attempt + coalesce((terms->>'attempts_before')::int, 0), 32767)::smallint as attempt,
       least(max_attempts + coalesce((terms->>'attempts_before')::int, 0), 32767)::smallint as max_attempts,
       rescues, run_at, created_at, claimed_at, null::timestamptz as finished_at, null::real as elapsed, worker_id, retry_of,
       meta, errors, unknown_since, progress, workflow_id, limits, cost, terms, expires_at, deadline_at, control
  from job
union all
select id, state, reason, queue, task, args, priority,
       least(attempt + coalesce((terms->>'attempts_before')::int, 0), 32767)::smallint as attempt,
       least(max_attempts + coalesce((terms->>'attempts_before')::int, 0), 32767)::smallint as max_attempts,
       rescues, run_at, created_at, claimed_at, finished_at, elapsed, worker_id, retry_of, meta, errors, null, null, workflow_id,
       limits, cost, terms, null, null, control
  from job_history
union all
select id, state, reason, queue, task, args, priority,
       least(attempt + coalesce((terms->>'attempts_before')::int, 0), 32767)::smallint as attempt,
       least(max_attempts + coalesce((terms->>'attempts_before')::int, 0), 32767)::smallint as max_attempts,
       rescues, run_at, created_at, claimed_at, finished_at, elapsed, worker_id, retry_of, meta, errors, null, null, workflow_id,
       limits, cost, terms, null, null, control
  from dead_letter;

-- What is paused now: a pause whose time is over is none.
create view pauses as
select kind, name, paused_at, until, by, reason from pause where until is null or until > clock_timestamp();

-- The last counts of live jobs, one of each part, if both are fresh: of an install that is small, or that no worker serves,
-- there is none.
create view fresh_sample as
with last as materialized (
    select s.* from (values ('active'), ('waiting')) as p(part)
     cross join lateral (select * from depth_sample where part = p.part order by counted_at desc limit 1) s
     where s.counted_at <= clock_timestamp() and s.fresh_until > clock_timestamp()
)
select part, counted_at from last where (select count(*) from last) = 2;

-- Live jobs; `oldest` is how long the first in line has been waiting for a worker. `paused_at` to `pause_reason` say by which
-- pause the queue is held, its own before that of everything. counted_at: when they were counted; NULL = now, as in every small
-- install. Which of the two is decided once, before a job is read.
create view queue_stats as
with fresh as materialized (select part, counted_at from fresh_sample)
select j.queue, j.state, j.priority, j.jobs,
       case when j.state = 'ready' then clock_timestamp() - least(greatest(j.oldest, '0001-01-02Z'), '9999-12-30Z') end as oldest,
       j.no_worker_for_task, p.paused_at, p.until as paused_until, p.by as paused_by, p.reason as pause_reason, j.counted_at
  from (select *
          from (select queue, state, priority, sum(jobs)::bigint as jobs, min(oldest) as oldest,
                       sum(case when state = 'ready' and lacks_worker(queue, task) then jobs else noted end)::bigint
                       as no_worker_for_task, null::timestamptz as counted_at
                  from (select queue, state, priority, task, count(*) as jobs, min(run_at) as oldest,
                               count(unknown_since) as noted
                          from job group by queue, state, priority, task) t
                 group by queue, state, priority offset 0) live  -- offset 0: no parallel worker is started in vain
         where not exists (select from fresh)
        union all
        select d.queue, d.state, d.priority, d.jobs, d.oldest, d.no_worker_for_task, d.counted_at
          from fresh f cross join lateral (select * from depth where part = f.part and counted_at = f.counted_at offset 0) d) j
  left join lateral (
       select paused_at, until, by, reason from pauses p
        where p.kind = 'everything' or p.kind = 'queue' and p.name = j.queue
        order by p.kind = 'queue' desc limit 1) p on true;

-- Queues that hold live jobs, that workers serve, that have settings or are paused; settings are NULL where there are none.
create view queues as
with live as (
    select queue as name, sum(jobs) filter (where state = 'blocked')::bigint as blocked,
           sum(jobs) filter (where state = 'scheduled')::bigint as scheduled,
           sum(jobs) filter (where state = 'ready')::bigint as ready,
           sum(jobs) filter (where state = 'running')::bigint as running, max(oldest) as oldest, min(counted_at) as counted_at
      from queue_stats group by queue
), served as (
    select q.name, count(*) as workers from worker w, unnest(w.queues) as q(name)
     where w.state = 'active' and w.heartbeat_at + w.lease >= clock_timestamp() group by q.name
)
select name, coalesce(blocked, 0) as blocked, coalesce(scheduled, 0) as scheduled, coalesce(ready, 0) as ready,
       coalesce(running, 0) as running, oldest, coalesce(workers, 0) as workers,
       p.paused_at, p.until as paused_until, p.by as paused_by, p.reason as pause_reason,
       q.max_ready, q.on_full, d.dropped, q.starvation_after, q.starvation_share, q.keep_succeeded, q.keep_cancelled, q.dead_days,
       counted_at
  from live full join served using (name) full join queue q using (name)
  full join (select name from pauses where kind = 'queue') own using (name)
  left join lateral (select dropped from queue_depth where queue = name order by counted_at desc limit 1) d on true
  left join lateral (
       select paused_at, until, by, reason from pauses p
        where p.kind = 'everything' or p.kind = 'queue' and p.name = own.name
        order by p.kind = 'queue' desc limit 1) p on true;

-- What has ended in the last hour: what is rolled up, and what has ended since, as rows of the same kind. The latter is left out
-- where it is much and would take a second to read: then the figures end with the last minute that is rolled up. It is read in
-- any case if nobody rolls up. Jobs of queues that keep no history are there once their minute is rolled up.
create view last_hour as
with hour as materialized (
    select h.*, h.rolled_to < clock_timestamp() - interval '3 minutes' or (
               select count(*) from (select from job_history where finished_at >= h.rolled_to limit 20001) few) <= 20000
               as is_little
      from (select since, greatest(case when minute_at < clock_timestamp() then minute_at end, since) as rolled_to
              from (select date_trunc('minute', clock_timestamp()) - interval '1 hour' as since) t
              left join roll_up_state on true offset 0) h
)
select minute, queue, task, succeeded, cancelled, seconds, duration_buckets, duration_jobs
  from metric_minute where minute >= (select since from hour) and minute < (select rolled_to from hour)
union all
select minute, queue, task, succeeded, cancelled, seconds, case when known > 0 then array[bucket] else '{}' end,
       case when known > 0 then array[known] else '{}' end
  from (select date_trunc('minute', finished_at) as minute, queue, task, count(*) filter (where state = 'succeeded') as succeeded,
               count(*) filter (where state = 'cancelled') as cancelled, coalesce(sum(elapsed::float8), 0) as seconds,
               (ln(least(greatest(elapsed::float8, 1e-6), 1e9)) * 20)::smallint as bucket,  -- bucket_of
               count(elapsed)::int as known
          from (select finished_at, queue, task, state, elapsed from job_history
                union all
                select finished_at, queue, task, state, elapsed from dead_letter) e
         where finished_at >= (select rolled_to from hour) and (select is_little from hour)
         group by minute, queue, task, bucket) since;

-- Per task over the last hour, see last_hour; except `dead`: dead letters wait until an operator acts. Times are those of last
-- runs of all jobs that have ended; the percentiles are at most 2.5 % from the exact ones, see percentile_ms.
create view task_stats as
with ended as materialized (
    select * from last_hour
), histogram as (
    select task, sum(jobs) as jobs, array_agg(bucket order by bucket) as buckets, array_agg(jobs order by bucket) as counts
      from (select task, bucket, sum(jobs)::int as jobs
              from ended cross join lateral unnest(duration_buckets, duration_jobs) as h(bucket, jobs) group by task, bucket) b
     group by task
), outcome as (
    select task, sum(succeeded)::bigint as succeeded, sum(cancelled)::bigint as cancelled, sum(seconds) as seconds
      from ended group by task
), dead as (
    select task, count(*) as jobs from dead_letter group by task
)
select task, coalesce(o.succeeded, 0) as succeeded, coalesce(o.cancelled, 0) as cancelled, coalesce(d.jobs, 0) as dead_letters,
       o.seconds / h.jobs::float8 as mean_seconds, percentile_ms(h.buckets, h.counts, 0.5) / 1000 as p50_seconds,
       percentile_ms(h.buckets, h.counts, 0.95) / 1000 as p95_seconds,
       percentile_ms(h.buckets, h.counts, 0.99) / 1000 as p99_seconds
  from outcome o full join dead d using (task) left join histogram h using (task);

-- A worker is PAUSED if all of its queues are; what runs of it goes on.
create view worker_status as
select id, name, host, pid, version, queues, concurrency, running, wake_mode, started_at, heartbeat_at, lease,
       case when state = 'lost' or heartbeat_at + lease < clock_timestamp() then 'DEAD'
            when draining then 'DRAINING'
            when queues <> '{}' and (exists (select from pauses where kind = 'everything')
                 or queues <@ (select array_agg(p.name) from pauses p where p.kind = 'queue')) then 'PAUSED'
            when running > 0 then 'ACTIVE'
            when exists (select from job j where j.worker_id = worker.id and j.state = 'running') then 'ACTIVE'  -- since its
            else 'IDLE' end as status,                                                                       -- last heartbeat
       loop_lag, memory, memory_limit, cores, cpu_seconds, done, failed, last_error, app_version, told, lost_because,
       pool, slot, generation, tasks
  from worker;

create view dead_letters as
select id, queue, task, args, reason,
       least(attempt + coalesce((terms->>'attempts_before')::int, 0), 32767)::smallint as attempt, error_type,
       errors->-1->>'message' as error_message,
       errors->-1->>'traceback' as traceback, finished_at, created_at, worker_id, meta, errors, fingerprint,
       coalesce((control->>'retried')::int, 0) as retried
  from dead_letter;

create view throughput_per_minute as
select minute, queue, sum(succeeded)::bigint as succeeded, sum(cancelled)::bigint as cancelled
  from last_hour group by minute, queue having sum(succeeded + cancelled) > 0;

create view rescues as
select worker_id, queue, count(*) as rescued, count(*) filter (where crashed) as crashed, max(rescued_at) as last_rescued_at
  from rescue_log group by worker_id, queue;

-- Counts are derived, so this looks at every node of the workflow: cheap for one, not for all of many large ones. The jobs of
-- live nodes are looked up by their ids: joined in any other way, a small workflow reads all waiting jobs.
create view workflow_progress as
select w.id, w.name, coalesce(w.outcome::text, 'running') as status, w.nodes, w.open, s.*, w.created_at,
       w.finished_at, w.cancelled_at, w.repairs, w.callback_error
  from workflow w cross join lateral (
       select count(*) filter (where n.state = 'blocked') as blocked, count(*) filter (where j.state = 'scheduled') as scheduled,
              count(*) filter (where j.state = 'ready') as ready, count(*) filter (where j.state = 'running') as running,
              count(*) filter (where n.state = 'succeeded') as succeeded, count(*) filter (where n.state = 'failed') as failed,
              count(*) filter (where n.state = 'cancelled') as cancelled, count(*) filter (where n.state = 'skipped') as skipped
         from workflow_node n
         left join lateral (select state from job where n.state = 'live' and id = n.job_id offset 0) j on true
        where n.workflow_id = w.id) s;

-- The job of each node is looked up where the node says that it is, by its id, and for one that is over first on the day on which
-- the node ended: joined in any other way, a large workflow reads the whole history. A node that repair_workflows has ended may
-- have ended on another day than its job.
create view workflow_nodes as
select n.workflow_id, n.job_id, n.name, n.task, coalesce(j.queue, d.queue, h.queue) as queue,
       coalesce(case when n.state = 'live' then j.state::text end, n.state::text) as state, n.pending_parents as waits_for,
       least(coalesce(j.attempt, d.attempt, h.attempt)
             + coalesce((coalesce(j.terms, d.terms, h.terms)->>'attempts_before')::int, 0), 32767)::smallint as attempt,
       coalesce(d.elapsed, h.elapsed) as elapsed,
       coalesce(d.reason, h.reason) as reason, coalesce(j.errors, d.errors, h.errors)->-1 as error, j.progress,
       coalesce(j.created_at, d.created_at, h.created_at) as created_at,
       coalesce(j.claimed_at, d.claimed_at, h.claimed_at) as started_at, n.ended_at
  from workflow_node n
  left join lateral (select * from job where n.ended_at is null and id = n.job_id offset 0) j on true
  left join lateral (select * from dead_letter where n.state = 'failed' and id = n.job_id offset 0) d on true
  left join lateral (
       select * from (
           select * from job_history
            where n.state in ('succeeded', 'cancelled', 'skipped') and id = n.job_id
              and finished_at between n.ended_at - interval '1 minute' and n.ended_at + interval '1 minute'
           union all
           select * from job_history where n.state in ('succeeded', 'cancelled', 'skipped') and id = n.job_id) near
        limit 1) h on true;

-- Limits with live figures: a row per key that was used lately, has jobs that wait or run, or is parked, and one per limit. Every
-- waiting job that has limits is counted for it. Waiting jobs of the limit of a queue are those of queue_stats.
-- used, remaining: of the current period of the rate. burst_used: of the tokens that may be saved up. wait_seconds: until the
-- next token. A limit `tenant` has a row for each such tenant:…, and one of its own, which counts nothing.
create view limit_status as
with waiting as (  -- lane by lane: all jobs of a lane have the same keys, and an index counts them
    select key, sum(l.jobs)::bigint as jobs
      from (select lane_id, count(*) as jobs from job where state = 'ready' and lane_id is not null group by lane_id) l
     cross join lateral (select limits from job where lane_id = l.lane_id and state = 'ready' limit 1) j
     cross join unnest(j.limits) as k(key) group by key
), running as (
    select key, count(*) as jobs from job j, unnest(j.limits) as l(key)
     where j.state = 'running' and j.limits is not null group by key
), of_queues as materialized (  -- of limits of queues, which jobs do not name; read only if there are any, for all of them once
    select queue, sum(ready)::bigint as ready, sum(running)::bigint as running
      from (select queue, jobs as ready, 0 as running from queue_stats where state = 'ready'
            union all
            select queue, 0, count(*) from job where state = 'running' group by queue) j
     group by queue
)
select b.key, d.name as limit_name, d.enabled, d.rate, d.per, d.burst, d.max_running, d.count_cost, d.weight,
       d.retry_blocks, d.changed_at, f.tokens, case when d.rate is not null then f.used end as used,
       case when d.rate is not null then greatest(d.rate - f.used, 0) end as remaining,
       d.burst - f.tokens as burst_used, coalesce(case when b.key like 'queue:%' then q.running else r.jobs end, 0) as running,
       coalesce(case when b.key like 'queue:%' then q.waiting else w.jobs end, 0) as waiting,
       greatest(case when d.enabled then greatest(1 - f.tokens, 0) / d.per_second end,
                extract(epoch from p.until - clock_timestamp())::float8) as wait_seconds, p.until as parked_until
  from (select key, tokens, refilled_at, used_since, used from bucket
        union all
        select key, null as tokens, null as refilled_at, null as used_since, 0 as used  -- named, so that a restore reads the same
          from (select name as key from limit_def
                union select key from waiting
                union select key from running
                union select key from parking where until > clock_timestamp()) k
         where not exists (select from bucket where key = k.key)) b
  left join lateral (select * from limit_def l where l.name in (b.key, split_part(b.key, ':', 1))
                    order by l.name = b.key desc limit 1) d on true
 cross join lateral (  -- the rule of refilled(), which readers of views may not execute
       select case when d.rate is not null then least(d.burst, coalesce(
                  b.tokens + d.per_second * greatest(extract(epoch from clock_timestamp() - b.refilled_at)::float8, 0),
                  d.burst)) end as tokens,
              case when b.used_since = date_bin(d.per, clock_timestamp(), '2000-01-01') then b.used else 0 end as used) f
  left join lateral (select max(until) as until from parking
                      where key in (b.key, split_part(b.key, ':', 1)) and until > clock_timestamp()) p on true
  left join waiting w on w.key = b.key
  left join running r on r.key = b.key
  left join lateral (
       select ready as waiting, running from of_queues
        where b.key like 'queue:%' and queue = substr(b.key, 7) offset 0) q on true;  -- joined otherwise, it is always read

-- How maintenance stands. days_ahead: for how many of the next 7 days the history has a partition; fewer than 2 are a reason to
-- look who reads it all the time. overdue: partitions past retention that could not be dropped yet; their rows are deleted
-- meanwhile.
create view upkeep_status as
select nullif(u.done_at, '-infinity') as done_at, nullif(u.next_at, '-infinity') as next_at,
       count(*) filter (where p.day between d.today + 1 and d.today + 7)::int as days_ahead,
       count(*) filter (where p.day < d.today - s.history_days)::int as overdue
  from upkeep u cross join setting s cross join (select (clock_timestamp() at time zone 'UTC')::date as today) d
  left join (select to_date(right(relname, 8), 'YYYYMMDD') as day from pg_inherits join pg_class on pg_class.oid = inhrelid
              where inhparent = 'job_history'::regclass and relname ~ '^job_history_[0-9]{8}$') p on true
 group by u.done_at, u.next_at;

-- Schedules. misfires: ticks of the last seven days that were missed: skipped, or another one stood for them.
-- is_orphaned: code declared it once, and of the workers that are active now none does. It goes on until somebody deletes it.
-- The names that they declare are hashed once: compared for each schedule, 1,000 names of 20 workers took 0.7 s.
create view schedules as
with active as (
    select schedules from worker where state = 'active' and heartbeat_at + lease >= clock_timestamp()
)
select s.name, s.definition->'job'->>'task' as task,
       case when s.definition ? 'cron' then array(select jsonb_array_elements_text(s.definition->'cron')) end as cron,
       (s.definition->>'every')::float8 as every, coalesce(s.definition->>'timezone', 'UTC') as timezone,
       s.paused_at is null as enabled, s.paused_at, s.next_tick, s.last_tick, s.last_outcome, s.last_reason, s.last_job_id,
       coalesce(m.misfires, 0) as misfires, case when s.declared is null then 'people' else 'code' end as declared_by,
       s.declared is not null and exists (select from active)
           and not coalesce(s.name = any (select unnest(schedules) from active), false) as is_orphaned,
       coalesce(s.definition->>'misfire', 'coalesce') as misfire, coalesce(s.definition->>'overlap', 'allow') as overlap,
       s.buffered_tick, s.error, l.looked_at, s.definition, s.declared, s.after_at, s.created_at, s.changed_at
  from schedule s
 cross join (select nullif(looked_at, '-infinity') as looked_at from schedule_look) l
  left join lateral (
       select sum(stands_for) as misfires from schedule_tick t
        where t.schedule = s.name and (t.outcome = 'coalesced' or t.reason = 'missed')
          and t.fired_at > clock_timestamp() - interval '7 days') m on true;

create view schedule_ticks as
select schedule, tick, outcome, reason, job_id, stands_for, fired_at from schedule_tick;

-- What handlers have said: the last lines of each job. A gap in seq stands for lines that were left out.
create view job_logs as
select job_id, seq, at, attempt, level, message, fields from job_log;

-- Bulk work: what goes on, and, as long as the history, what was done by whom. done, skipped: of a dry run what they would be.
create view operations as
select o.id, o.kind, o.filter, o.spec, o.asked_by as by, o.reason, o.state, o.dry_run, o.per_second, o.matched, c.done, o.did,
       c.skipped, o.skipped as skipped_by_reason, o.failed, o.matched - c.done - c.skipped - o.failed as left_over, o.errors,
       o.created_at, o.started_at, o.finished_at, o.cancelled_by,
       case when o.finished_at is null and o.next_at > clock_timestamp() then o.next_at end as next_at
  from operation o cross join lateral (
       select (select coalesce(sum(value::int), 0) from jsonb_each_text(o.did))::int as done,
              (select coalesce(sum(value::int), 0) from jsonb_each_text(o.skipped))::int as skipped) c;

-- What people have done, see audit_log.
create view audit as
select id, at, by, role, client, application, verb, kind, subject, reason, before, after, filter, jobs from audit_log;

-- What is wrong, as a worker has seen it when it looked last, which one of them does about each minute; since: when it was seen
-- first. Without workers it grows old: see seen_at. The functions diagnose_… say what is wrong now.
create view findings as
select (found).name, (found).severity, (found).subject, (found).problem, (found).figures, (found).consequence, (found).remedy,
       found_at as since, seen_at
  from finding_log;

-- What has ended by hour and by day, see metrics. Hours are kept for 90 days, days for ever.
create view metrics_hourly as
select hour, queue, task, succeeded, failed, cancelled, failed_attempts,
       1000 * seconds / nullif((select sum(n) from unnest(duration_jobs) as d(n)), 0) as duration_mean_ms,
       percentile_ms(duration_buckets, duration_jobs, 0.5) as duration_p50_ms,
       percentile_ms(duration_buckets, duration_jobs, 0.95) as duration_p95_ms,
       percentile_ms(duration_buckets, duration_jobs, 0.99) as duration_p99_ms,
       1000 * wait_seconds / nullif((select sum(n) from unnest(wait_jobs) as w(n)), 0) as wait_mean_ms,
       percentile_ms(wait_buckets, wait_jobs, 0.5) as wait_p50_ms,
       percentile_ms(wait_buckets, wait_jobs, 0.95) as wait_p95_ms,
       percentile_ms(wait_buckets, wait_jobs, 0.99) as wait_p99_ms
  from metric_hour;

create view metrics_daily as
select day, queue, task, succeeded, failed, cancelled, failed_attempts,
       1000 * seconds / nullif((select sum(n) from unnest(duration_jobs) as d(n)), 0) as duration_mean_ms,
       percentile_ms(duration_buckets, duration_jobs, 0.5) as duration_p50_ms,
       percentile_ms(duration_buckets, duration_jobs, 0.95) as duration_p95_ms,
       percentile_ms(duration_buckets, duration_jobs, 0.99) as duration_p99_ms,
       1000 * wait_seconds / nullif((select sum(n) from unnest(wait_jobs) as w(n)), 0) as wait_mean_ms,
       percentile_ms(wait_buckets, wait_jobs, 0.5) as wait_p50_ms,
       percentile_ms(wait_buckets, wait_jobs, 0.95) as wait_p95_ms,
       percentile_ms(wait_buckets, wait_jobs, 0.99) as wait_p99_ms
  from metric_day;

-- Workers of pools that are alive. A worker that is draining still runs jobs, but does not count as running for its pool.
create view pool_workers as
with alive as (
    select id, pool, slot, generation, draining from worker
     where pool is not null and state = 'active' and heartbeat_at + lease >= clock_timestamp()
)
select p.name as pool, coalesce(s.slot, a.slot) as slot,
       case when w.id is not null then w.status
            when s.agent_id is null then 'FREE' when s.leaving is not null then 'LEAVING' else 'STARTING' end as status,
       s.leaving, s.agent_id, g.name as agent, coalesce(w.host, g.host) as host, w.id as worker_id, w.name as worker,
       w.pid, w.running,
       coalesce(a.generation, s.generation) as generation, coalesce(a.generation, s.generation) < p.generation as is_outdated,
       s.taken_at, w.started_at, w.heartbeat_at
  from (pool_slot s full join alive a on a.pool = s.pool and a.slot = s.slot)
  join pool p on p.name = coalesce(s.pool, a.pool)
  left join agent g on g.id = s.agent_id
  left join worker_status w on w.id = a.id;

create view pool_agents as
select a.id, a.pool, a.name, a.host, a.pid, a.version, a.slots,
       (select count(*) from pool_slot s where s.agent_id = a.id)::int as taken,
       case when a.heartbeat_at + a.lease < clock_timestamp() then 'DEAD' when a.draining then 'DRAINING' else 'ACTIVE' end
           as status, a.started_at, a.heartbeat_at, a.lease
  from agent a;

create view pool_events as
select id, at, pool, kind, by, before, after, reason, figures from pool_event;

-- How many workers of each pool run, and how many places agents have for them. Of workers, only those that do not drain count.
create view pool_status as
select p.name, p.app, p.queues, p.concurrency, p.wanted, p.minimum, p.maximum, p.max_unavailable, p.autoscale, p.rules,
       p.generation, w.running, w.outdated, g.agents, g.places,
       case when p.deleting then 'deleting' when p.paused then 'paused'
            when p.wanted > 0 and g.agents = 0 then 'no_agent'
            when p.wanted > g.places then 'no_room'
            when w.running <> p.wanted then 'scaling'
            when w.outdated > 0 then 'rolling'
            else 'steady' end as state,
       p.created_at, p.checked_at, p.scaled_up_at, p.scaled_down_at
  from pool p
 cross join lateral (
       select (count(*) filter (where not a.draining))::int as running,
              (count(*) filter (where not a.draining and a.generation < p.generation))::int as outdated
         from worker a
        where a.pool = p.name and a.state = 'active' and a.heartbeat_at + a.lease >= clock_timestamp()) w
 cross join lateral (
       select count(*)::int as agents, coalesce(sum(a.slots), 0)::int as places
         from agent a
        where a.pool = p.name and not a.draining and a.heartbeat_at + a.lease >= clock_timestamp()) g;

-- Pools. ready: jobs in the queues of each; of a pool that names none, in the queues that its workers serve now. Live jobs are
-- counted once, and only if there are pools. oldest: how long the first in line has been waiting. counted_at: see queue_stats.
create view pools as
with depth as materialized (
    select queue, sum(jobs)::bigint as ready, max(oldest) as oldest, min(counted_at) as counted_at
      from queue_stats where state = 'ready' and exists (select from pool) group by queue
)
select s.name, s.state, s.app, s.queues, s.concurrency, s.wanted, s.running, d.ready, d.oldest, s.agents, s.places, s.minimum,
       s.maximum, s.autoscale, s.rules, s.generation, s.outdated, s.max_unavailable, s.created_at, s.checked_at, s.scaled_up_at,
       s.scaled_down_at, d.counted_at
  from pool_status s
 cross join lateral (
       select coalesce(sum(ready), 0)::bigint as ready, max(oldest) as oldest, min(counted_at) as counted_at
         from depth
        where queue = any (case when s.queues <> '{}' then array(select split_part(q, '=', 1) from unnest(s.queues) as u(q))
                                else array(select unnest(w.queues) from worker w
                                            where w.pool = s.name and w.state = 'active'
                                              and w.heartbeat_at + w.lease >= clock_timestamp()) end)) d;

-- Keys of the REST API without the digests of their secrets.
create view api_keys as
select id, name, role, queues, may_read_arguments,
       case when revoked_at is not null then 'revoked'
            when expires_at <= clock_timestamp() then 'expired'
            else 'valid' end as status,
       created_at, created_by, expires_at, revoked_at, revoked_by, last_used_at
  from api_key;
