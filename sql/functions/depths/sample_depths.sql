-- sample_depths: counts the live jobs once, and stores the figures: in depth, and of a boundary between two minutes also in
-- metric_depth. Called by: sweep_depths, sample_minute. Writes: depth, depth_sample, metric_depth. Locks: a row of
-- `lock`; while another transaction holds it, depth is left as it is, because it is being written. Nobody waits.
--
-- boundary: the end of a minute that has just passed, see keep_depths; NULL = none.
-- Of a small install nobody reads the figures, and nothing else is done than counting for the boundary.
create function sample_depths(boundary timestamptz default null) returns void
language plpgsql
set max_parallel_workers_per_gather = 0 set jit = off as $$
#variable_conflict use_variable
declare
    is_mine bool := is_large() and try_lock('depths');
    at      timestamptz := clock_timestamp();  -- before the snapshot: the figures are not older
    took    interval;
begin
    if is_mine then
        perform drop_sample('active');
        perform drop_sample('waiting');
    end if;
    if boundary is not null then
        perform keep_depths(boundary, at, is_mine);
    elsif is_mine then
        insert into depth (part, counted_at, jobs, oldest, no_worker_for_task, state, priority, queue)
        select depth_part(d.state), at, d.jobs, d.oldest, d.no_worker_for_task, d.state, d.priority, d.queue
          from live_depths(null) d;
    end if;
    if is_mine then
        took := clock_timestamp() - at;
        perform save_sample('waiting', at, took, took);
        perform save_sample('active', at, interval '0', took);  -- counted again on its own in a second
    end if;
end $$;

-- keep_depths: stores in metric_depth what was live at a boundary, and with the same count the rows of depth. Called by:
-- sample_depths. Writes: metric_depth, depth.
-- Live at that time were the jobs that were created before and are live now, in their state of now, and those that were created
-- before and have ended since, as running. So what has ended since is read too: an old boundary takes longer. One that was added
-- by a transaction that is still open counts from the next boundary on.
-- One statement, so that a job which ends meanwhile is counted once.
create function keep_depths(boundary timestamptz, at timestamptz, is_mine bool) returns void
language sql as $$
    with live as materialized (
        select * from live_depths(boundary)
    ), kept as (
        insert into metric_depth (minute, queue, priority, state, jobs)
        select boundary, queue, priority, state, sum(jobs)
          from (select queue, priority, state, created_before as jobs from live
                union all
                select queue, priority, 'running', count(*) from job_history
                 where finished_at >= boundary and created_at < boundary group by queue, priority
                union all
                select queue, priority, 'running', count(*) from dead_letter
                 where finished_at >= boundary and created_at < boundary group by queue, priority
                union all
                select queue, priority, 'running', sum(case when minute = boundary then created_before else 0 end)
                  from unkept_end where minute >= boundary group by queue, priority) d
         group by queue, priority, state having sum(jobs) > 0
        on conflict (minute, queue, priority, state) do update set jobs = excluded.jobs
    )
    insert into depth (part, counted_at, jobs, oldest, no_worker_for_task, state, priority, queue)
    select depth_part(state), at, jobs, oldest, no_worker_for_task, state, priority, queue from live where is_mine
$$;

-- live_depths: counts the live jobs by queue, priority and state, the whole table in one pass. created_before: of them, those
-- that were created before a boundary. Called by: sample_depths, keep_depths. Writes: nothing.
create function live_depths(boundary timestamptz) returns table (
    queue text, priority smallint, state job_state, jobs bigint, created_before bigint, oldest timestamptz,
    no_worker_for_task bigint
)
language sql stable as $$
    select queue, priority, state, sum(jobs)::bigint, sum(older)::bigint, min(oldest),
           sum(case when state = 'ready' and lacks_worker(queue, task) then jobs else noted end)::bigint
      from (select queue, priority, state, task, count(*) as jobs, count(*) filter (where created_at < boundary) as older,
                   min(run_at) filter (where state in ('ready', 'scheduled')) as oldest, count(unknown_since) as noted
              from job group by queue, priority, state, task) t
     group by queue, priority, state
$$;
