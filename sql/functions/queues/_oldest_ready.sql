-- oldest_ready: locks the ready jobs of a queue that have waited longest, whatever their priorities, of those due before a time.
-- Jobs with limits are not among them: their lanes take turns.
-- paused: tasks whose jobs are passed over; NULL = none. nodes: whether nodes of workflows are among them.
-- Called by: starving, drop_oldest; the plan is pinned by their callers. Writes: nothing. Locks: job rows, SKIP LOCKED.
-- job_ready is ordered by priority first, so its priorities are found one by one, and a few jobs of each are looked at: four
-- times as many as are wanted, because other claims may hold the first ones.
create function oldest_ready(in_queue text, before timestamptz, most int, paused text[], nodes bool) returns bigint[]
language plpgsql as $$
begin
    return array(
        with recursive p (priority) as (
            (select j.priority from job j
              where j.state = 'ready' and j.rescues < 2 and j.lane_id is null and j.queue = in_queue
              order by j.priority desc limit 1)
            union all
            select (select j.priority from job j
                     where j.state = 'ready' and j.rescues < 2 and j.lane_id is null and j.queue = in_queue
                       and j.priority < p.priority
                     order by j.priority desc limit 1)
              from p where p.priority is not null
        )
        select j.id from p cross join lateral (
               select o.id from job o
                where o.state = 'ready' and o.rescues < 2 and o.lane_id is null and o.queue = in_queue
                  and o.priority = p.priority and o.run_at < before
                  and (paused is null or o.task <> all (paused)) and (nodes or o.workflow_id is null)
                  and may_start(o.expires_at, o.deadline_at, o.attempt)
                order by o.run_at, o.id limit 4 * most) o
          join job j on j.id = any (array[o.id]) and j.state = 'ready'
         order by j.run_at, j.id limit most
           for no key update of j skip locked);
end $$;
