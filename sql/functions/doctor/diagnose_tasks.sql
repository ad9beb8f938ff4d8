-- diagnose_tasks: jobs that have been waiting for a minute because no worker alive of their queue has their task.
-- Called by: doctor, workers. Writes: nothing.
-- The same rule as lacks_worker, which would read each worker again for each queue and task.
-- It looks at the first jobs of each queue, 20 of each at least, at jobs with limits, and at chunks that were put off.
create function diagnose_tasks(most int default 10000) returns setof finding
language sql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
    with kind as materialized (
        select distinct queues, tasks from worker w where is_alive(w)  -- many workers are alike
    )
    select 'unknown-task', 'error', task,
           format('no worker alive of queue %s has the task %L; %s since %s%s', queue, task,
                  case when jobs = 1 then 'a job has waited' else format('%s jobs have waited', jobs) end, in_utc(since),
                  '; did you mean ' || said_name(case when place <= 10 then nearest_name(task, array(
                      select distinct o.known from kind k, unnest(k.tasks) as o(known)
                       where t.queue = any (k.queues) and o.known not like 'pgqueue.%'
                       order by 1 limit 1000)) end) || '?'),
           jsonb_build_object('task', task, 'jobs', jobs, 'since', since, 'queues', queues),
           'these jobs wait and do not run',
           format('deploy a worker whose app has this task; or, if it is gone for good: pgqueue cancel --task ''%s''',
                  replace(task, '''', format('''%s''''', chr(92))))  -- as a shell quotes
      from (select task, min(queue) as queue, sum(jobs) as jobs, min(since) as since, (array_agg(queue))[1:10] as queues,
                   row_number() over (order by sum(jobs) desc, task) as place
              from (select task, queue, count(*) as jobs, min(run_at) as since
                      from (
                           (select task, queue, unknown_since as run_at, unknown_since from job
                             where state = 'scheduled' order by job.run_at, id limit most)
                           union all
                           select j.*
                             from (select q.queue, greatest(most / greatest(count(*) over (), 20), 20) as share
                                     from worker, unnest(queues) as q(queue) group by q.queue) q, lateral (
                                  select task, queue, run_at, unknown_since from job
                                   where state = 'ready' and rescues < 2 and lane_id is null and queue = q.queue
                                   order by priority desc, run_at, id limit q.share) j
                           union all
                           (select task, queue, run_at, unknown_since from job
                             where state = 'ready' and lane_id is not null order by lane_id limit most)) looked
                     where unknown_since is not null or run_at < clock_timestamp() - interval '1 minute'
                     group by task, queue) u
             where exists (select from kind k where u.queue = any (k.queues))
               and not exists (select from kind k where u.queue = any (k.queues) and knows_task(k.tasks, u.task))
             group by task order by sum(jobs) desc, task limit 100) t
     order by place
$$;
