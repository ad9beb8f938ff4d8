-- sample_active: counts the jobs that are ready or run, off their indexes, and stores the figures in depth. Called by:
-- sweep_depths, which holds its lock. Writes: depth, depth_sample.
-- no_worker_for_task is no column of these indexes: it stays as sample_depths has counted it.
create function sample_active() returns void
language plpgsql
-- Pinned: the table may have a hundred times as many jobs that are scheduled.
set enable_seqscan = off set enable_bitmapscan = off set max_parallel_workers_per_gather = 0 set jit = off as $$
#variable_conflict use_variable
declare
    at   timestamptz := clock_timestamp();
    last timestamptz := (select counted_at from depth_sample where part = 'active' order by counted_at desc limit 1);
begin
    with active as (
        select queue, priority, 'ready'::job_state as state, count(*) as jobs, min(run_at) as oldest
          from job where state = 'ready' and rescues < 2 and lane_id is null group by queue, priority
        union all
        select j.queue, l.priority, 'ready', l.jobs, l.oldest
          from (select lane_id, priority, count(*) as jobs, min(run_at) as oldest
                  from job where state = 'ready' and lane_id is not null group by lane_id, priority) l
         cross join lateral (select queue from job where lane_id = l.lane_id and state = 'ready' limit 1) j
        union all
        select queue, priority, 'ready', count(*), min(run_at)
          from job where state = 'ready' and rescues >= 2 and lane_id is null group by queue, priority
        union all
        select queue, priority, 'running', count(*), null from job where state = 'running' group by queue, priority
    ), before as (
        delete from depth where part = 'active' and counted_at = last returning queue, priority, state, no_worker_for_task
    )
    insert into depth (part, counted_at, jobs, oldest, no_worker_for_task, state, priority, queue)
    select 'active', at, sum(a.jobs), min(a.oldest), least(coalesce(min(b.no_worker_for_task), 0), sum(a.jobs)), state, priority,
           queue
      from active a left join before b using (queue, priority, state) group by queue, priority, state;
    delete from depth_sample where part = 'active' and counted_at = last;
    perform save_sample('active', at, clock_timestamp() - at,
                        (select took from depth_sample where part = 'waiting' order by counted_at desc limit 1));
end $$;

-- depth_part: the part of the figures to which a state belongs. Called by: sample_depths, keep_depths. Writes: nothing.
create function depth_part(state job_state) returns text
language sql immutable as $$ select case when state in ('ready', 'running') then 'active' else 'waiting' end $$;

-- drop_sample: deletes the last sample of a part. Called by: sample_depths. Writes: depth, depth_sample.
create function drop_sample(of_part text) returns void
language plpgsql as $$
declare
    last timestamptz := (select counted_at from depth_sample where part = of_part order by counted_at desc limit 1);
begin
    delete from depth where part = of_part and counted_at = last;
    delete from depth_sample where part = of_part and counted_at = last;
end $$;

-- save_sample: stores when and how fast a part was counted. Called by: sample_depths, sample_active. Writes: depth_sample.
-- blocked_for: how long a count of everything takes, during which no other one is made.
create function save_sample(part text, counted_at timestamptz, took interval, blocked_for interval) returns void
language sql as $$
    insert into depth_sample (part, counted_at, took, fresh_until)
    select part, counted_at, took, clock_timestamp() + 2 * (depth_pause(took) + coalesce(blocked_for, '0')) + interval '10 s'
$$;

-- depth_pause: how long to wait after a count that took so long, for counting to use 1/50 of the time. Called by: save_sample,
-- count_due_in. Writes: nothing.
create function depth_pause(took interval) returns interval
language sql immutable as $$ select greatest(interval '1 s', 50 * took) $$;

-- is_large: whether views show the last count of the live jobs, and do not count themselves: 32 MB take 20 ms. Called by:
-- look_at_queues, sample_depths, sweep_depths. Writes: nothing.
create function is_large() returns bool
language sql as $$ select pg_relation_size('job') >= 33554432 $$;
