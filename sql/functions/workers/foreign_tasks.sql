-- foreign_tasks: tasks of jobs that are ready in these queues and that a worker with these tasks does not have: it leaves them
-- out of its claims. What it misses here it learns from the first claim that brings such a job.
-- Called by: workers, once they are registered. Writes: nothing. Locks: none.
-- Bounded: it looks at the first 10,000 jobs of all queues together, and at 1,000 jobs with limits. At most 1,000 names.
create function foreign_tasks(queues text[], tasks text[]) returns text[]
language sql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
    select coalesce((array_agg(distinct task))[1:1000], '{}')
      from ((select front.task
               from unnest(queues) as q, lateral (
                    select task from job
                     where state = 'ready' and rescues < 2 and lane_id is null and queue = q
                     order by priority desc, run_at, id limit 10000 / greatest(cardinality(queues), 1) + 10) front
              limit 10000)
            union all
            select task
              from (select queue, task from job where state = 'ready' and lane_id is not null order by lane_id limit 1000) laned
             where queue = any (queues)) looked
     where task <> all (tasks)
$$;
