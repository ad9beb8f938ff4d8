-- cancel_requests: the jobs that run under a worker and whose workflow was cancelled. Called by: workers, when they hear of one and
-- every third of their lease. Writes: nothing.
create function cancel_requests(worker uuid) returns setof bigint
language sql stable security definer set search_path from current set enable_seqscan = off set enable_bitmapscan = off as $$
    select j.id
      from (select id from workflow where cancelled_at is not null and finished_at is null offset 0) w, workflow_node n,
           lateral (select id, state, worker_id from job where id = n.job_id offset 0) j
     where n.workflow_id = w.id and n.state = 'live' and j.state = 'running' and j.worker_id = cancel_requests.worker
$$;
