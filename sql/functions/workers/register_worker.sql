-- register_worker: announces a worker process. Every start has a fresh id, so no start adopts another one's jobs.
-- Called by: workers at start, and again under a new id after a lost lease. Writes: worker.
-- schedules: the names of those that its app declares, see the view schedules. tasks: the names of those that it can run, see
-- knows_task; at most 1,000 are kept.
-- about: what else it says of itself, all optional: pool, slot and generation (which slot of a pool it fills, see agent_turn),
-- cores and memory_limit (CPUs and bytes that its container may use), app_version (of the application). Other keys are ignored.
-- Raises PQ001 for a value that is too large, or a lease of more than a day: jobs of a lost worker wait for it.
create function register_worker(
    worker uuid, name text, host text, pid int, version text, queues text[], concurrency int, lease interval,
    schedules text[] default '{}', tasks text[] default null, about jsonb default '{}'
) returns void
language plpgsql security definer set search_path from current as $$
begin
    perform check_worker(name, host, version, queues, concurrency, lease, schedules, tasks);
    perform check_about(about);
    insert into worker (id, name, host, pid, version, queues, concurrency, lease, started_at, heartbeat_at, schedules, tasks,
                        pool, slot, generation, cores, memory_limit, app_version)
    values (worker, name, host, pid, version, queues, concurrency, lease, clock_timestamp(), clock_timestamp(), schedules,
            tasks[1:1000], about->>'pool', (about->>'slot')::int, (about->>'generation')::int,
            round((about->>'cores')::numeric, 6)::real, (about->>'memory_limit')::numeric::bigint, about->>'app_version')
    on conflict (id) do update set heartbeat_at = excluded.heartbeat_at;  -- asked again because the answer was lost
end $$;

-- check_worker: refuses what no worker says of itself. Called by: register_worker. Writes: nothing. Raises PQ001.
create function check_worker(
    name text, host text, version text, queues text[], concurrency int, lease interval, schedules text[], tasks text[]
) returns void
language plpgsql as $$
begin
    if (fits(lease, interval '1 day') and lease > interval '0') is not true then
        perform invalid('lease', lease::text, 'use an interval above 0, up to 1 day');
    elsif concurrency not between 1 and 100000 then
        perform invalid('concurrency', concurrency::text, 'use 1 to 100000');
    elsif cardinality(queues) > 1000 then
        perform invalid('queues', cardinality(queues)::text, 'name at most 1000');
    elsif cardinality(schedules) > 10000 then
        perform invalid('schedules', cardinality(schedules)::text, 'name at most 10000');
    end if;
    perform check_length('name', name, 1000), check_length('host', host, 1000), check_length('version', version, 100);
    perform check_length(field, said, 200)
       from (select 'queues', unnest(queues) union all select 'schedules', unnest(schedules)
             union all select 'tasks', unnest(tasks)) as l(field, said) where length(said) > 200;
end $$;

-- check_about: refuses what a worker cannot say of itself; NULL as a value is one that was left out.
-- Called by: register_worker. Writes: nothing. Raises PQ001.
create function check_about(about jsonb) returns void
language plpgsql as $$
begin
    perform check_fields('about', about, '{
        "pool": "string", "slot": "number", "generation": "number", "cores": "number", "memory_limit": "number",
        "app_version": "string"}');
    perform check_length('about.pool', about->>'pool', 200), check_length('about.app_version', about->>'app_version', 200);
    perform invalid('about.' || v.key, v.value::text, 'give a whole number from 0 to 2147483647')
       from jsonb_each(about) v
      where v.key in ('slot', 'generation') and v.value <> 'null'
            and (v.value::numeric not between 0 and 2147483647 or v.value::numeric <> trunc(v.value::numeric));
    perform invalid('about.' || v.key, v.value::text, 'give a number from 0 to 9e18')
       from jsonb_each(about) v
      where v.key in ('cores', 'memory_limit') and v.value <> 'null' and v.value::numeric not between 0 and 9e18;
end $$;
