-- diagnose_queues: queues with ready jobs that no worker serves that is alive. Called by: doctor, workers. Writes: nothing.
-- after: jobs that have waited for less long may be seen by a worker that is just starting
-- Without any worker diagnose_workers says so.
create function diagnose_queues(after interval default '1 minute') returns setof finding
language sql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
    with alive as (
        select queues from worker w where is_alive(w)
    ), served as (
        select distinct q.queue from alive, unnest(queues) as q(queue)
    ), waiting as (
        select queue,
               least((select run_at from job j
                       where j.state = 'ready' and j.rescues < 2 and j.lane_id is null and j.queue = q.queue
                       order by priority desc, run_at limit 1),
                     (select min(j.run_at)
                        from (select lane_id from turn where key is null and queue = q.queue and lane_id is not null
                               order by due_at limit 100) t, lateral (
                             select run_at from job where lane_id = t.lane_id and state = 'ready'
                              order by priority desc, run_at limit 1) j)) as since
          from queues_with_jobs(100000) as q(queue)
         where queue not in (select queue from served) and exists (select from alive)
           and not exists (select from pauses p where p.kind = 'everything' or p.kind = 'queue' and p.name = q.queue)
    )
    select 'queue-not-served', 'error', queue,
           format('queue %L has ready jobs, and no worker that is alive serves it%s%s', queue,
                  '; the first in line waits since ' || in_utc(since),
                  '; did you mean ' || said_name(nearest_name(queue, array(select queue from served order by queue limit 1000)))
                  || '?'),
           jsonb_build_object('queue', queue, 'waits_since', since), 'these jobs do not run',
           format('start a worker for it: pgqueue worker MODULE:APP --queues %s', queue)
      from waiting where (since > clock_timestamp() - after) is not true order by since limit 100
$$;
