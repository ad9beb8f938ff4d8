-- soon_ready: jobs that are ready as soon as a worker of a pool runs, because workers make them so: those whose time has come,
-- those of due schedules (one for all of them), and those whose worker is dead. While workers run these are few: without them a
-- pool that has none would stay without. At most so many. Called by: load_of, which pins the plan. Writes: nothing.
create function soon_ready(its pool, queues text[], most int, paused text[], known text[]) returns bigint
language sql stable as $$
    select least(most, (
        select count(*) from (
               select j.queue, j.task from job j where j.state = 'scheduled' and j.run_at <= (select clock_timestamp())
                order by j.run_at, j.id limit 1000) due
         where due.queue = any (queues) and (paused is null or due.task <> all (paused)) and knows_task(known, due.task)
    ) + (
        select count(*) from (
               select from schedule s where s.look_at <= (select clock_timestamp())
                  and coalesce(s.definition #>> '{job,queue}', 'default') = any (queues) limit 1) ticks
    ) + (
        select coalesce(sum(j.jobs), 0) from worker w cross join lateral (
               select count(*) as jobs from (
                      select from job where worker_id = w.id and state = 'running' limit 1000) r) j
         where is_of_pool(w, its) and not is_alive(w)
    ))
$$;
