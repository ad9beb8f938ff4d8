-- enqueue_many: adds one job per element of a JSON array of argument objects and returns their ids in that order.
-- Called by: applications. Writes: job, in one statement. Options as in enqueue, the same for all.
create function enqueue_many(
    task text, args jsonb, queue text default 'default', priority int default 0,
    run_at timestamptz default null, run_after interval default null,
    retries int default null, retry jsonb default null, result_ttl interval default null, meta jsonb default null,
    notify bool default true
) returns bigint[]
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    due timestamptz := check_enqueue(task, queue, priority, run_at, run_after, retries, retry, result_ttl);
    ids bigint[];
begin
    if jsonb_typeof(args) is distinct from 'array' then
        perform invalid('args', args::text, 'give a JSON array with one object of arguments per job');
    end if;
    begin
        -- ordinality is not needed: a set-returning function in FROM keeps the order of the array.
        with inserted as (
            insert into job (run_at, created_at, state, priority, max_attempts, queue, task, args, retry, result_ttl, meta)
            select due, clock_timestamp(),
                   (case when due > clock_timestamp() then 'scheduled' else 'ready' end)::job_state,
                   priority, coalesce(retries, 3) + 1, queue, task, value, retry, result_ttl, meta
              from jsonb_array_elements(args)
            returning id
        )
        select coalesce(array_agg(id), '{}') into ids from inserted;
    exception when check_violation then
        perform invalid('args', jsonb_path_query_first(args, 'strict $[*] ? (@.type() != "object")')::text,
                        'each element must be a JSON object with the arguments by name');
    end;
    if notify and ids <> '{}' and due < clock_timestamp() + interval '1 second' then
        perform wake(queue);
    end if;
    return ids;
end $$;
