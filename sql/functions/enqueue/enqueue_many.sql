-- enqueue_many: adds one job per element of a JSON array of argument objects and returns their ids in that order.
-- Called by: applications. Writes: job, in one statement. Options as in enqueue, the same for all.
create function enqueue_many(
    task text, args jsonb, queue text default 'default', priority int default 0,
    run_at timestamptz default null, run_after interval default null,
    retries int default null, retry jsonb default null, result_ttl interval default null, meta jsonb default null,
    notify bool default true, depends_on bigint[] default null, run_if text default 'succeeded',
    limits text[] default null, fair text default null, cost int default null, limits_declared text[] default null,
    timeout interval default null, soft_timeout interval default null, expires_at timestamptz default null,
    expires_after interval default null, total_timeout interval default null, trace jsonb default null
) returns bigint[]
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    added  record;
    before text;
begin
    if run_if <> 'succeeded' then  -- also of a job that waits for none
        perform check_run_if(run_if);
    end if;
    if jsonb_typeof(args) is distinct from 'array' then
        perform invalid('args', args::text, 'give a JSON array with one object of arguments per job');
    end if;
    if exists (select from queue q where q.name > '') and depends_on is null then
        perform check_depth(queue, jsonb_array_length(args), run_at, run_after);
    end if;
    added := insert_jobs(task, array(select jsonb_array_elements(args)), queue, priority, run_at, run_after,
                         retries, row(retry, result_ttl, meta,
                                      terms_from(timeout, soft_timeout, expires_after, total_timeout, trace),
                                      expires_at, null)::stored_options,
                         row(limits, fair, cost, limits_declared)::limiting, depends_on is not null);
    if depends_on is not null then
        if not notify then
            before := set_notify('off');
        end if;
        perform depend(added.ids, depends_on, run_if);
        if before is not null then
            perform set_notify(before);
        end if;
    elsif notify and added.ids <> '{}' then
        perform wake_for(queue, added.due);
    end if;
    return added.ids;
end $$;

-- enqueue_many, with options per job: each element of the JSON array is an object with the arguments of enqueue by name. notify:
-- false of one of them holds for all.
-- Called by: applications. Writes: job, unique_hold. Locks: unique keys, in the order of their digests, so that two calls
-- with the same keys cannot deadlock; then the parents of all, see hold_parents. Returns a row per element, in order: the id, and
-- whether that job was there before.
create function enqueue_many(jobs jsonb) returns table (id bigint, duplicate bool)
language plpgsql security definer set search_path from current as $$
begin
    if exists (select from queue q where q.name > '') then
        perform check_depths(jobs);
    end if;
    return query select * from insert_each(jobs);
end $$;

-- insert_each: enqueue_many, whatever the depth of the queues is. Called by: enqueue_many, first_refused, enqueue_callback,
-- checked_callback. Writes, locks, returns: see enqueue_many.
create function insert_each(jobs jsonb) returns table (id bigint, duplicate bool)
language plpgsql as $$
#variable_conflict use_column
declare
    given      record;
    added      record;
    ids        bigint[];
    duplicates bool[];
    waiting    jsonb := '[]';
    before     text;
begin
    perform check_jobs(jobs);
    before := mute(jobs);
    for given in
        select j.*, place, stored_of(element) as stored,
               case when coalesce(unique_mode, unique_key) is not null
                    then unique_digest(task, coalesce(args, '{}'), unique_key) end as digest
          from jsonb_array_elements(jobs) with ordinality as e(element, place),
               jsonb_to_record(element) as j(
                   task text, args jsonb, queue text, priority int, run_at timestamptz, run_after interval, retries int,
                   unique_mode text, unique_key text, unique_period interval,
                   depends_on bigint[], run_if text, limits text[], fair text, cost int, limits_declared text[])
         order by digest nulls first, unique_mode = 'period', place  -- the two spaces of keys in one order, too
    loop
        added := insert_job(given.task, coalesce(given.args, '{}'), coalesce(given.queue, 'default'), coalesce(given.priority, 0),
                            given.run_at, given.run_after, given.retries, given.stored,
                            given.unique_mode, given.unique_key, given.unique_period,
                            row(given.limits, given.fair, given.cost, given.limits_declared)::limiting,
                            null, given.depends_on is not null);
        ids[given.place] := added.id;
        duplicates[given.place] := added.duplicate;
        if given.depends_on is not null and not added.duplicate then
            waiting := waiting || jsonb_build_object(
                'id', added.id, 'on', given.depends_on, 'if', coalesce(given.run_if, 'succeeded'));
        else
            perform wake_for(coalesce(given.queue, 'default'), added.due);
        end if;
    end loop;
    if waiting <> '[]' then  -- workflows after all unique keys: no transaction waits for a key while it holds a workflow
        perform hold_parents(array(select distinct id::bigint
                                     from jsonb_array_elements(waiting) w, jsonb_array_elements_text(w->'on') id));
        perform depend(g.ids, array(select jsonb_array_elements_text(g.parents)::bigint), g.run_if)
           from (select array_agg((w->>'id')::bigint) as ids, w->'on' as parents, w->>'if' as run_if
                   from jsonb_array_elements(waiting) as w group by 2, 3 order by 2, 3) g;
    end if;
    if before is not null then
        perform set_notify(before);
    end if;
    return query select * from unnest(ids, duplicates);
end $$;

-- check_jobs: refuses anything but an array of objects with the options of enqueue. Called by: insert_each,
-- checked_scheduled_job.
create function check_jobs(jobs jsonb) returns void
language plpgsql as $$
declare
    options text[] := job_options();
begin
    if jsonb_typeof(jobs) is distinct from 'array' or jsonb_path_exists(jobs, 'strict $[*] ? (@.type() != "object")') then
        perform invalid('jobs', jobs::text, 'give a JSON array of objects, for example [{"task": "send", "args": {"to": 1}}]');
    end if;
    perform invalid('jobs', key, 'use the options of enqueue: ' || array_to_string(options, ', '))
       from jsonb_array_elements(jobs) as e(element), jsonb_object_keys(element) as k(key)
      where key <> all (options);
    perform check_limit_options(jobs);
    if jsonb_path_exists(jobs, 'strict $[*] ? (exists(@.depends_on) || exists(@.run_if))') then
        perform invalid('depends_on', element->>'depends_on', 'give the ids of the jobs to wait for, for example [17, 18]')
           from jsonb_array_elements(jobs) as e(element)
          where case jsonb_typeof(element->'depends_on') when 'null' then false
                    when 'array' then exists (select from jsonb_array_elements_text(element->'depends_on') as p(id)
                                               where id !~ '^[0-9]{1,18}$')
                    else element ? 'depends_on' end;
        perform check_run_if(element->>'run_if')
           from jsonb_array_elements(jobs) as e(element) where element->>'run_if' <> 'succeeded';
    end if;
end $$;

-- job_options: the names that an element of enqueue_many may have. Called by: check_jobs, check_nodes.
create function job_options() returns text[]
language sql immutable as $$
    select '{task,args,queue,priority,run_at,run_after,retries,retry,result_ttl,meta,unique_mode,unique_key,unique_period,'
           'depends_on,run_if,limits,fair,cost,limits_declared,notify,timeout,soft_timeout,'
           'expires_at,expires_after,total_timeout,trace}'::text[]
$$;
