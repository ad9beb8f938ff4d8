-- sweep_queues: counts the ready jobs of queues that have max_ready, and cancels the oldest of those with drop_oldest.
-- Called by: workers, about once a second all together; people. Writes: queue_depth, job, job_history. Locks: a row of `lock`,
-- so one sweeps at a time; job rows, SKIP LOCKED.
-- at_most: jobs that it cancels of a queue in one call, so that the call stays short.
-- Returns in how many seconds to sweep again (NULL: no queue has max_ready; 0: there is more to cancel), and how many jobs of
-- which queues it has cancelled, {"mail": 120} (NULL: none).
create function sweep_queues(at_most int default 1000, out next_in float8, out dropped jsonb)
language plpgsql security definer set search_path from current
-- Pinned, see claim: a plan made while the table was empty would scan it.
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
declare
    its     queue%rowtype;
    counted int;
    gone    int;
    at      timestamptz;
begin
    if not try_lock('queues') then
        next_in := 1;
        return;
    end if;
    for its in select * from queue where max_ready is not null order by name loop
        counted := count_ready(its.name, its.max_ready::bigint + at_most);
        gone := 0;
        if its.on_full = 'drop_oldest' and counted > its.max_ready then
            gone := drop_oldest(its.name, counted - its.max_ready);
        end if;
        next_in := case when gone = at_most then 0 else coalesce(next_in, 1) end;
        if gone > 0 then
            dropped := coalesce(dropped, '{}') || jsonb_build_object(its.name, gone);
        end if;
        at := clock_timestamp();
        insert into queue_depth (queue, ready, dropped, counted_at)
        values (its.name, counted - gone, gone + coalesce((
                    select d.dropped from queue_depth d where d.queue = its.name order by d.counted_at desc limit 1), 0), at);
        delete from queue_depth d where d.queue = its.name and d.counted_at <> at;
    end loop;
    delete from queue_depth d where not exists (select from queue q where q.name = d.queue and q.max_ready is not null);
end $$;

-- count_ready: how many jobs of a queue are ready, but no more than `most`. Called by: sweep_queues. Writes: nothing.
-- A lane with ready jobs has a turn, and may have several.
create function count_ready(in_queue text, most bigint) returns int
language plpgsql as $$
declare
    plain int := (select count(*) from (
        select from job where state = 'ready' and rescues < 2 and lane_id is null and queue = in_queue limit most) j);
begin
    if pg_relation_size('turn') = 0 then
        return plain;
    end if;
    return least(most, plain + (select count(*) from (
        select from (select distinct lane_id from turn where queue = in_queue and lane_id is not null) l, lateral (
               select from job where lane_id = l.lane_id and state = 'ready' limit most) j limit most - plain) lanes));
end $$;

-- drop_oldest: cancels the oldest ready jobs of a queue, with reason other; its error says why. Returns how many.
-- Called by: sweep_queues, which pins the plan. Writes: job, job_history. Locks: job rows, SKIP LOCKED.
-- Jobs with limits and nodes of workflows are not among them.
create function drop_oldest(in_queue text, most int) returns int
language plpgsql as $$
declare
    unkept text[] := unkept();
    gone   int;
    lost   job_end[];
begin
    with held as materialized (
        select j.id, j.attempt, j.errors from unnest(oldest_ready(in_queue, clock_timestamp(), most, null, false)) as u(id),
               lateral (select id, attempt, errors from job where id = u.id offset 0) j
    ), gone as (
        delete from job_kept k using held h where k.id = any (array[h.id])
        returning null::timestamptz, clock_timestamp(), 'cancelled'::job_state, 'other'::final_reason, null::real,
                  append_error(h.errors, h.attempt, null, null, clock_timestamp(), null, jsonb_build_object(
                      'type', 'pgqueue.errors.QueueFull',
                      'message', format('dropped: it was among the oldest of queue %s, which was full', k.queue))), k.*
    ), history as (
        insert into job_history select g.* from gone g where is_kept('cancelled', g.queue, g.workflow_id, unkept)
    )
    select count(*),
           (select array_agg(row(clock_timestamp(), g.queue, g.task, 'cancelled', g.priority, g.attempt, null::real, g.run_at,
                                 g.created_at, g.claimed_at, g.control)::job_end)
              from gone g where unkept is not null and not is_kept('cancelled', g.queue, g.workflow_id, unkept))
      into gone, lost from held;
    if lost is not null then
        perform note_unkept(lost);
    end if;
    return gone;
end $$;
