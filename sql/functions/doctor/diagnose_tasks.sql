-- diagnose_tasks: jobs whose task no worker knows that has claimed them, or that is alive. Called by: doctor, workers.
-- Writes: nothing.
-- A worker puts such a job off for a minute at most, so it is among the first that are scheduled, or ready again: of each so many
-- are looked at, of the latter queue by queue, of each 20 at least.
create function diagnose_tasks(most int default 10000) returns setof finding
language sql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
    select 'unknown-task', 'error', task,
           format('no worker that has tried %s of %s knows the task %L: since %s', case when count(*) = 1 then 'a job' else
                  format('%s jobs', count(*)) end, min(queue), task, in_utc(min(unknown_since))),
           jsonb_build_object('task', task, 'jobs', count(*), 'since', min(unknown_since),
                              'queues', (array_agg(distinct queue))[1:10]),
           'these jobs are tried again each minute, and do not run',
           format('deploy a worker whose app has this task; or, if it is gone for good: pgqueue cancel --task ''%s''',
                  replace(task, '''', format('''%s''''', chr(92))))  -- as a shell quotes
      from (
           (select task, queue, unknown_since from job where state = 'scheduled' order by run_at, id limit most)
           union all
           select j.task, j.queue, j.unknown_since
             from (select q.queue, greatest(most / greatest(count(*) over (), 20), 20) as share
                     from worker, unnest(queues) as q(queue) group by q.queue) q, lateral (
                  select task, queue, unknown_since from job
                   where state = 'ready' and rescues < 2 and lane_id is null and queue = q.queue
                   order by priority desc, run_at, id limit q.share) j) looked
     where unknown_since is not null
       and not coalesce(task = any (select unnest(tasks) from worker w where is_alive(w)), false)
     group by task order by count(*) desc limit 100
$$;
