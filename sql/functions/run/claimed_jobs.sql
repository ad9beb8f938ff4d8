-- claimed_jobs: what runs under this worker and token, in the columns of claim: for a claim whose answer was lost and that is
-- asked again under the same token.
-- Called by: the REST API. Writes: nothing. Locks: none.
-- A run that has ended, or was given back, is not there any more. The last row of claim, which says when to look again, is not
-- there either.
create function claimed_jobs(worker uuid, token uuid) returns table (
    id bigint, queue text, task text, args jsonb, attempt smallint, max_attempts smallint, priority smallint,
    run_at timestamptz, created_at timestamptz, meta jsonb, node jsonb, limits text[],
    terms jsonb
)
language sql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
    select j.id, j.queue, j.task, j.args, attempt_number(j.attempt, j.terms), attempt_number(j.max_attempts, j.terms), j.priority,
           j.run_at, j.created_at, j.meta,
           case when j.workflow_id is not null then (select n.node from node_of(j.id) n) end,
           case when exists (select from limit_def l where l.name = 'queue:' || j.queue)
                then coalesce(j.limits, '{}') || ('queue:' || j.queue) else j.limits end,
           case when j.deadline_at is null then j.terms else with_left(j.terms, j.deadline_at) end
      from job j
     where j.state = 'running' and j.worker_id = worker and j.claim_token = token
     order by j.limits is null, j.priority desc, j.run_at, j.id
$$;
