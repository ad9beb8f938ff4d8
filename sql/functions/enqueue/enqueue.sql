-- enqueue: adds one job and returns its id; for a duplicate of a unique job, the id of the existing job.
-- Called by: applications, in their own transaction or alone; psql; triggers.
-- Writes: job, unique_hold, turn; with depends_on what depend writes. Locks: nothing shared unless the job is unique, see
-- insert_unique, or depends on others, see depend.
-- The job and its wake-up appear when the caller commits, or never.
-- Raises PQ005, before anything is written, when the queue is full: see set_queue and check_depth.
--
-- task           name of a registered task
-- args           its arguments by name, a JSON object of at most setting.max_args_bytes (1 MiB)
-- queue          letters, digits and . _ : - ; at most 100 characters
-- priority       -100 to 100, larger runs first
-- run_at         not before this time; run_after counts from now instead
-- retries        how often a failed job runs again; NULL = 3
-- retry          when it runs again, see retry_delay; NULL = exponential with jitter
-- result_ttl     how long a result is kept, up to 1000 years; NULL = 24 hours
-- meta           any JSON of yours; the queue does not read it
-- unique_mode    until_done, until_started, replace, period: see types.sql; NULL = not unique
-- unique_key     what makes it the same job, {name} stands for an argument; NULL = all arguments. Tasks never share a key.
-- unique_period  how long mode period holds the key
-- notify         false: wakes no worker; the workers find the job with their regular poll, within about a second
-- depends_on     ids of up to 1000 jobs to wait for, see depend: live or over, all in one workflow or in none. A duplicate gets
--                none of them
-- run_if         how they must end for this one to run: succeeded; finished: however they end; failed: as dead letters. Otherwise
--                it is cancelled with reason dependency_failed
-- limits         keys of limits that all must allow the start, see set_limit: openai, tenant:42; {name} stands for an argument
-- fair           a key as in limits whose jobs take turns with those of other keys; it needs no limit of its name
-- cost           tokens that its start takes of each of them, at most its burst and what comes in one period; NULL = 1
-- timeout        how long one run may take; NULL or 0 = no limit. Workers end it, see docs/timeouts.md
-- soft_timeout   when to warn of a run; NULL = after 0.8 of the timeout, 0 = never
-- expires_at     if it has not started by then, it is cancelled with reason expired; expires_after counts from when it is due
-- total_timeout  how long all its runs and the waits in between may take, from when it is due; then it fails with reason timeout
-- trace          where it comes from, see check_trace: {"traceparent", "tracestate", "request_id"}; its runs carry it on
-- limits_declared  those of `limits` that need not be there yet: the workers make them known before they claim anything
create function enqueue(
    task text, args jsonb default '{}', queue text default 'default', priority int default 0,
    run_at timestamptz default null, run_after interval default null,
    retries int default null, retry jsonb default null, result_ttl interval default null, meta jsonb default null,
    unique_mode text default null, unique_key text default null, unique_period interval default null,
    notify bool default true, depends_on bigint[] default null, run_if text default 'succeeded',
    limits text[] default null, fair text default null, cost int default null, limits_declared text[] default null,
    timeout interval default null, soft_timeout interval default null, expires_at timestamptz default null,
    expires_after interval default null, total_timeout interval default null, trace jsonb default null
) returns bigint
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    added  record;
    before text;
begin
    if run_if <> 'succeeded' then  -- also of a job that waits for none
        perform check_run_if(run_if);
    end if;
    if exists (select from queue q where q.name > '') and depends_on is null then
        perform check_depth(queue, 1, run_at, run_after);
    end if;
    if not notify and (depends_on is not null or unique_mode = 'replace') then  -- a job that runs at once, or another queue
        before := set_notify('off');
    end if;
    added := insert_job(task, args, queue, priority, run_at, run_after, retries,
                        row(retry, result_ttl, meta, terms_from(timeout, soft_timeout, expires_after, total_timeout, trace),
                            expires_at, null)::stored_options,
                        unique_mode, unique_key, unique_period, row(limits, fair, cost, limits_declared)::limiting,
                        null, depends_on is not null);
    if depends_on is not null then
        if not added.duplicate then
            perform depend(array[added.id], depends_on, run_if);
        end if;
    elsif notify then
        perform wake_for(queue, added.due);
    end if;
    if before is not null then
        perform set_notify(before);
    end if;
    return added.id;
end $$;
