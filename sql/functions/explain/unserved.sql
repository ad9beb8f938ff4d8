-- unserved: ready jobs that no worker alive may run, of what has waited longest first: a row for each queue that none serves,
-- and for each queue and task that none of those of the queue knows. task: NULL = of any. job_id: one of them, for explain.
-- Called by: pgqueue stats, workers as they start. Writes: nothing. Locks: none.
-- after: only of jobs that have been due for so long: a worker may be just starting.
-- Bounded: it looks at 1,000 queues, at the first 10,000 jobs of all of them together, 10 of each at least, and at 1,000 jobs
-- with limits.
create function unserved(after interval default '0 s', most int default 100) returns table (
    queue text, task text, job_id bigint, since timestamptz, says text, details jsonb
)
language sql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
    with alive as materialized (
        select distinct queues, tasks from worker w where is_alive(w)  -- many workers are alike
    ), line as materialized (
        select q.queue, greatest(10000 / greatest(count(*) over (), 1), 10) as share from queues_with_jobs(1000) as q(queue)
    ), kind as materialized (
        select j.queue, j.task, min(j.id) as id, min(j.run_at) as since
          from (select q.queue, f.*
                  from line q, lateral (
                       select task, id, run_at from job
                        where state = 'ready' and rescues < 2 and lane_id is null and queue = q.queue
                        order by priority desc, run_at, id limit q.share) f
                union all
                (select queue, task, id, run_at from job
                  where state = 'ready' and lane_id is not null order by lane_id limit 1000)) j
         group by j.queue, j.task order by 4 limit 1000
    )
    select k.queue, k.task, k.id, least(greatest(k.since, '0001-01-02Z'), '9999-12-30Z'), said_of_many(c.says), c.details
      from (select queue, case when is_served then task end as task, (array_agg(id order by since, id))[1] as id,
                   min(since) as since
              from (select *, exists (select from alive w where kind.queue = any (w.queues)) as is_served from kind
                     where since <= clock_timestamp() - after
                       and not exists (select from alive w
                                        where kind.queue = any (w.queues) and knows_task(w.tasks, kind.task))) k
             group by 1, 2 order by min(since), 1, 2 limit most) k
     cross join lateral (select * from job where id = k.id offset 0) j
     cross join lateral workers_for(j) c
     order by k.since, k.queue, k.task
$$;

-- said_of_many: what explain says of one job, of all of its kind. Called by: unserved. Writes: nothing.
create function said_of_many(says text) returns text
language sql immutable as $$ select regexp_replace(says, '^it waits ', 'ready jobs wait ') $$;
