-- has_work: whether anything in these queues runs or may start now: it is ready or running, or scheduled and due, so that promote
-- makes it ready at once. Jobs that are due later do not count, nor do those that are paused.
-- Called by: workers in burst mode, which end when it is false. Writes: nothing.
-- Each question has the predicate of the index that answers it. Jobs that wait for a limit count: they will run. A lane is of one
-- queue, so one job of each lane is looked at, and not each job, unless tasks are paused.
create function has_work(queues text[]) returns bool
language plpgsql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
declare
    open   text[] := queues;
    paused text[];
begin
    if exists (select from pause where kind > '') then
        select u.queues, u.tasks into open, paused from unpaused(queues) u;
    end if;
    return exists (select from job where queue = any (open) and state = 'ready' and rescues < 2 and lane_id is null
                                     and (paused is null or task <> all (paused)))
        or exists (select from job where queue = any (open) and state = 'ready' and rescues >= 2
                                     and (paused is null or task <> all (paused)))
        or exists (
            with recursive lane (id, queue) as (
                (select lane_id, queue from job where state = 'ready' and lane_id is not null order by lane_id limit 1)
                union all
                select j.lane_id, j.queue from lane l, lateral (
                       select lane_id, queue from job
                        where state = 'ready' and lane_id is not null and lane_id > l.id order by lane_id limit 1) j
            )
            select from lane l
             where l.queue = any (open)
               and (paused is null or exists (select from job j where j.lane_id = l.id and j.state = 'ready'
                                                                  and j.task <> all (paused))))
        or exists (select from job where queue = any (queues) and state = 'running')
        or exists (select from job where state = 'scheduled' and run_at <= (select clock_timestamp()) and queue = any (open)
                                     and (paused is null or task <> all (paused)));
end $$;
