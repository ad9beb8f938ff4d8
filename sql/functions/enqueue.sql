-- enqueue: adds one job and returns its id.
-- Called by: applications, in their own transaction or alone; psql; triggers.
-- Writes: job. Locks: nothing shared. The job and its wake-up appear when the caller commits, or never.
--
-- task        name of a registered task
-- args        its arguments by name, a JSON object
-- queue       letters, digits and . _ : - ; at most 100 characters
-- priority    -100 to 100, larger runs first
-- run_at      not before this time; run_after counts from now instead
-- retries     how often a failed job runs again; NULL = 3
-- retry       when it runs again, see retry_delay; NULL = exponential with jitter
-- result_ttl  how long a result is kept; NULL = 24 hours
-- meta        any JSON of yours; the queue does not read it
-- notify      false: the caller wakes the workers itself
create function enqueue(
    task text, args jsonb default '{}', queue text default 'default', priority int default 0,
    run_at timestamptz default null, run_after interval default null,
    retries int default null, retry jsonb default null, result_ttl interval default null, meta jsonb default null,
    notify bool default true
) returns bigint
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    due    timestamptz := check_enqueue(task, queue, priority, run_at, run_after, retries, retry, result_ttl);
    job_id bigint;
begin
    if jsonb_typeof(args) is distinct from 'object' then
        perform invalid('args', args::text, 'give the arguments by name as a JSON object, for example {"to": 1}');
    end if;
    insert into job (run_at, created_at, state, priority, max_attempts, queue, task, args, retry, result_ttl, meta)
    values (due, clock_timestamp(),
            (case when due > clock_timestamp() then 'scheduled' else 'ready' end)::job_state,
            priority, coalesce(retries, 3) + 1, queue, task, args, retry, result_ttl, meta)
    returning id into job_id;
    if notify and due < clock_timestamp() + interval '1 second' then
        perform wake(queue);
    end if;
    return job_id;
end $$;
