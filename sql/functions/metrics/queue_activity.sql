-- queue_activity: what each queue holds now and what it did in the last hour, the busiest first: what an overview shows, in one
-- call. Called by: GET /metrics/queues, dashboards. Writes: nothing.
-- Of jobs that have ended it reads roll-ups of an hour, of live ones the view queues, which counts no more than it must.
-- most: how many queues, 1,000 at most. of_queues: only queues of these names; NULL = all.
-- since, until: the hour; it ends with the last closed minute. succeeded, failed, cancelled: in it.
-- steps, ended: the jobs that ended in steps of two minutes; steps[i] is a number from 0 to 29, and one without jobs is left out.
-- enqueued_per_second, completed_per_second: in the last five minutes of it; enqueued is NULL where live jobs were not counted at
-- both ends of these.
create function queue_activity(most int default 200, of_queues text[] default null) returns table (
    name text, ready bigint, scheduled bigint, running bigint, blocked bigint, oldest interval, workers bigint,
    paused_at timestamptz, paused_until timestamptz, paused_by text, pause_reason text, counted_at timestamptz,
    since timestamptz, until timestamptz, succeeded bigint, failed bigint, cancelled bigint, steps int[], ended bigint[],
    enqueued_per_second float8, completed_per_second float8
)
language plpgsql stable security definer set search_path from current set jit = off as $$
#variable_conflict use_column
declare
    ends   timestamptz := coalesce((select minute_at from roll_up_state), date_bin('1 minute', clock_timestamp(), '2000-01-01Z'));
    begins timestamptz := ends - interval '1 hour';
    lately timestamptz := ends - interval '5 minutes';
    born   timestamptz := (select created_at from setting);  -- nothing was live before
    is_counted bool := exists (select from metric_sample where minute = ends)
                       and (lately <= born or exists (select from metric_sample where minute = lately));
begin
    return query
    with part as (  -- in float8, which is exact up to 2^53: sums of bigint are numeric, and took a third more
        select m.queue, floor(date_part('epoch', m.minute - begins) / 120)::int as step, sum(m.succeeded::float8) as succeeded,
               sum(m.failed::float8) as failed, sum(m.cancelled::float8) as cancelled,
               sum(case when m.minute >= lately then (m.succeeded + m.failed + m.cancelled)::float8 end) as lately
          from metric_minute m
         where m.minute >= begins and m.minute < ends and (of_queues is null or m.queue = any (of_queues))
         group by 1, 2
    ), hour as (
        select p.queue as name, sum(p.succeeded)::bigint as succeeded, sum(p.failed)::bigint as failed,
               sum(p.cancelled)::bigint as cancelled, sum(p.lately) as lately, array_agg(p.step order by p.step) as steps,
               array_agg((p.succeeded + p.failed + p.cancelled)::bigint order by p.step) as ended
          from part p group by p.queue
    ), grown as (
        select d.queue as name, (coalesce(sum(d.jobs) filter (where d.minute = ends), 0)
                                 - coalesce(sum(d.jobs) filter (where d.minute = lately), 0))::bigint as jobs
          from metric_depth d where d.minute in (lately, ends) group by d.queue
    )
    select name, coalesce(q.ready, 0), coalesce(q.scheduled, 0), coalesce(q.running, 0), coalesce(q.blocked, 0), q.oldest,
           coalesce(q.workers, 0), q.paused_at, q.paused_until, q.paused_by, q.pause_reason, q.counted_at, begins, ends,
           coalesce(h.succeeded, 0), coalesce(h.failed, 0), coalesce(h.cancelled, 0),
           coalesce(h.steps, '{}'), coalesce(h.ended, '{}'),
           case when is_counted then greatest(coalesce(h.lately, 0) + coalesce(g.jobs, 0), 0) / 300 end,
           coalesce(h.lately, 0) / 300
      from (select * from queues v where of_queues is null or v.name = any (of_queues)) q
      full join hour h using (name)
      left join grown g using (name)
     order by coalesce(q.ready, 0) + coalesce(q.running, 0) + coalesce(h.succeeded + h.failed + h.cancelled, 0) desc, name
     limit least(greatest(coalesce(most, 200), 1), 1000);
end $$;
