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
        select queues, tasks from worker w where is_alive(w)
    ), line as materialized (
        select q.queue, greatest(10000 / greatest(count(*) over (), 1), 10) as share from waiting_queues(1000) as q(queue)
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
    select queue, task, id, least(greatest(since, '0001-01-02Z'), '9999-12-30Z'), said_of_many(says), details
      from (select distinct on (k.queue, t.task) k.queue, t.task, k.id, k.since, c.says, c.details
              from (select * from kind k
                     where since <= clock_timestamp() - after
                       and not exists (select from alive w where k.queue = any (w.queues) and knows_task(w.tasks, k.task))) k
             cross join lateral (select * from job where id = k.id offset 0) j
             cross join lateral workers_for(j) c
             cross join lateral (select case when c.cause = 'unknown_task' then k.task end as task) t
             order by k.queue, t.task, k.since) u
     order by since, queue, task limit most
$$;

-- said_of_many: what explain says of one job, of all of its kind. Called by: unserved. Writes: nothing.
create function said_of_many(says text) returns text
language sql immutable as $$ select regexp_replace(says, '^it waits ', 'ready jobs wait ') $$;
