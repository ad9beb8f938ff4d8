-- claim_jobs: gives a worker exactly these jobs, those of them that are ready, all under one token.
-- Called by: helpers that run particular jobs, in tests above all; workers use claim. Writes: job. Locks: job rows, SKIP LOCKED.
-- Suspects among them are taken as they are, and so are paused jobs, and jobs with limits, whatever those allow, and not counted:
-- a caller that names a job wants that one. Rows come in the order of the ids.
-- Raises PQ002 when the worker is lost or unknown.
create function claim_jobs(worker uuid, token uuid, job_ids bigint[]) returns table (
    id bigint, queue text, task text, args jsonb, attempt smallint, max_attempts smallint, priority smallint,
    run_at timestamptz, created_at timestamptz, meta jsonb, node jsonb, limits text[],
    terms jsonb
)
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
set plan_cache_mode = force_generic_plan set lock_timeout = '5s' as $$
#variable_conflict use_column
begin
    perform assert_active(worker);
    -- The update is claim's, repeated: a function between the two would cost every claim more than these lines.
    return query
    with picked as materialized (
        select j.id from unnest(job_ids) as given(id), lateral (
            select j.id from job j where j.id = given.id and j.state = 'ready' for no key update skip locked offset 0) j
    )
    update job j
       set state = 'running', attempt = j.attempt + 1, worker_id = worker, claim_token = token, claimed_at = clock_timestamp(),
           unique_key = case when j.unique_mode in ('until_started', 'replace') then null else j.unique_key end
      from picked as p
     where j.id = any (array[p.id])
    returning j.id, j.queue, j.task, j.args, attempt_number(j.attempt, j.terms),
              attempt_number(j.max_attempts, j.terms), j.priority, j.run_at, j.created_at, j.meta,
              case when j.workflow_id is not null then (select n.node from node_of(j.id) n) end, null::text[],
              case when j.deadline_at is null then j.terms else with_left(j.terms, j.deadline_at) end;
end $$;
