-- is_of_pool: whether a worker runs jobs of a pool: its agents have started it, or it is in no pool and serves nothing but queues
-- that this one names, as under Kubernetes. Called by: crew_of, soon_ready. Writes: nothing.
create function is_of_pool(w worker, its pool) returns bool
language sql stable as $$
    select w.pool = its.name
           or w.pool is null and w.queues <> '{}' and w.queues <@ array(select split_part(q, '=', 1) from unnest(its.queues) q)
$$;

-- crew_of: the workers of a pool, without those that are about to end: they claim nothing more.
-- Called by: queues_of, known_to, load_of, scaling_figures. Writes: nothing.
create function crew_of(its pool) returns setof worker
language sql stable as $$
    select w.* from worker w where is_of_pool(w, its) and is_alive(w) and not w.draining and w.told is null
$$;

-- queues_of: the queues that a pool serves; of one that names none, those that its workers have. Called by: load_of.
-- Writes: nothing.
create function queues_of(its pool) returns text[]
language sql stable as $$
    select case when its.queues <> '{}' then array(select distinct split_part(q, '=', 1) from unnest(its.queues) q)
                else array(select distinct unnest(w.queues) from crew_of(its) w) end
$$;

-- known_to: the tasks that workers know among them; NULL = any, or nobody has said. Called by: load_of. Writes: nothing.
create function known_to(its pool) returns text[]
language sql stable as $$
    select case when bool_and(w.tasks is not null and cardinality(w.tasks) < 1000)
                then (select array_agg(distinct t) from crew_of(its) c, unnest(c.tasks) t) end
      from crew_of(its) w
$$;

-- load_of: the jobs that workers of a pool run, and those that they could start now or soon, see soon_ready: not what is paused,
-- waits for a limit, or has a task that none of them knows. Together at most `most` are counted; beyond that it is what
-- sweep_depths has counted last.
-- oldest: since when a job waits, of those without limits: the others wait for their limits too.
-- Called by: scaling_figures, scaling_hint. Writes: nothing.
create function load_of(its pool, most int, out running bigint, out ready bigint, out oldest timestamptz)
language plpgsql stable
-- Pinned: a plan made while the table was empty would scan it.
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
#variable_conflict use_variable
declare
    queues text[] := queues_of(its);
    known  text[] := known_to(its);
    paused text[];
    name   text;
begin
    select coalesce(sum(j.jobs), 0) into running
      from crew_of(its) w, lateral (
           select count(*) as jobs from (select from job where worker_id = w.id and state = 'running' limit most) r) j;
    if exists (select from pause where kind > '') then
        select u.queues, u.tasks into queues, paused from unpaused(queues) u;
    end if;
    ready := case when running < most then soon_ready(its, queues, (most - running)::int, paused, known) else 0 end;
    foreach name in array queues loop
        exit when running + ready >= most;
        ready := ready + startable(name, (most - running - ready)::int, paused, known)
                       + startable_in_lanes(name, (most - running - ready)::int, paused, known);
        oldest := least(oldest, waits_since(name, paused, known));
    end loop;
    if running + ready >= most then
        ready := greatest(ready, (
            select sum(d.jobs) from fresh_sample f cross join lateral (
                   select * from depth where part = f.part and counted_at = f.counted_at offset 0) d
             where d.state = 'ready' and d.queue = any (queues)));
    end if;
end $$;

-- startable: how many jobs without limits of a queue could start, at most so many. Called by: load_of, which pins the plan.
-- Writes: nothing. What must not start piles up where claims begin: if none is there, tasks are not looked at, and the index is
-- enough.
create function startable(in_queue text, most int, paused text[], known text[]) returns bigint
language plpgsql stable as $$
begin
    if exists (
        select from (select task from job where state = 'ready' and rescues < 2 and lane_id is null and queue = in_queue
                      order by priority desc, run_at, id limit 100) j
         where task = any (paused) or not knows_task(known, task)
    ) then
        return (select count(*) from (
                    select task from job where state = 'ready' and rescues < 2 and lane_id is null and queue = in_queue
                     limit most) j
                 where (paused is null or task <> all (paused)) and knows_task(known, task))
               + suspects(in_queue);
    end if;
    return (select count(*) from (
                select from job where state = 'ready' and rescues < 2 and lane_id is null and queue = in_queue limit most) j)
           + suspects(in_queue);
end $$;

-- suspects: whether there are jobs in a queue that may kill their worker: they start one by one. Called by: startable.
-- Writes: nothing.
create function suspects(in_queue text) returns int
language sql stable as $$
    select count(*)::int from (
        select from job where state = 'ready' and rescues >= 2 and worker_id is null and queue = in_queue limit 1) j
$$;

-- startable_in_lanes: the same for jobs with limits: those in lanes that stand in line, and of each no more than its limits let
-- run at once or start within a second. Keys that lanes share count for each. Called by: load_of. Writes: nothing.
-- A thousand places in line are looked at; a lane may have several.
create function startable_in_lanes(in_queue text, most int, paused text[], known text[]) returns bigint
language plpgsql stable as $$
begin
    if most <= 0 or pg_relation_size('turn') = 0 then
        return 0;
    end if;
    return least(most, (
        select coalesce(sum(j.jobs), 0)
          from (select distinct on (lane_id) lane_id, keys from (
                       select t.lane_id, t.keys from turn t
                        where t.queue = in_queue and t.key is null and t.lane_id is not null
                          and t.due_at <= (select clock_timestamp()) order by t.due_at limit 1000) line) l
         cross join lateral (
               select case when bool_or(exists (select from parking p where p.key in (k.key, split_part(k.key, ':', 1))
                                                                        and p.until > (select clock_timestamp()))) then 0
                           else least(min(m.max_running), min(greatest(m.burst, m.per_second)) filter (where m.rate is not null),
                                      most) end as bound
                 from unnest(l.keys) as k(key) left join lateral limit_of(k.key) m on true) r
         cross join lateral (
               select count(*) as jobs from (
                      select task from job where lane_id = l.lane_id and state = 'ready'
                       order by priority desc, run_at, id limit ceil(r.bound)::int) o
                where (paused is null or o.task <> all (paused)) and knows_task(known, o.task)) j));
end $$;

-- waits_since: since when a job of a queue waits that could start: the oldest of the first ones of each priority.
-- Called by: load_of, which pins the plan. Writes: nothing.
create function waits_since(in_queue text, paused text[], known text[]) returns timestamptz
language sql stable as $$
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
    select min(greatest(o.run_at, o.created_at))
      from p cross join lateral (
           select j.run_at, j.created_at, j.task from job j
            where j.state = 'ready' and j.rescues < 2 and j.lane_id is null and j.queue = in_queue and j.priority = p.priority
            order by j.run_at, j.id limit 20) o
     where (paused is null or o.task <> all (paused)) and knows_task(known, o.task)
$$;
