-- queues_with_jobs: the queues with ready jobs, in order. Called by: unserved, unknown_queues, diagnose_queues. Writes: nothing.
-- They are found by walking from one to the next, along two indexes: how many jobs they hold does not matter.
-- Jobs that may have ended two workers are not looked at.
create function queues_with_jobs(most int) returns setof text
language sql stable
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
    with recursive plain (queue, n) as (
        (select queue, 1 from job where state = 'ready' and rescues < 2 and lane_id is null order by queue limit 1)
        union all
        select (select j.queue from job j
                 where j.state = 'ready' and j.rescues < 2 and j.lane_id is null and j.queue > p.queue order by j.queue limit 1),
               n + 1
          from plain p where p.queue is not null and n < most
    ), limited (queue, n) as (
        (select queue, 1 from turn where key is null order by queue limit 1)
        union all
        select (select t.queue from turn t where t.key is null and t.queue > l.queue order by t.queue limit 1), n + 1
          from limited l where l.queue is not null and n < most
    )
    select queue from (select queue from plain union select queue from limited) q
     where queue is not null order by queue limit most
$$;
