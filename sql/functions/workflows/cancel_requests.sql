-- cancel_requests: the jobs that run under a worker and whose workflow was cancelled, also when that was retried since. Called
-- by: workers, when they hear of one and every third of their lease. Writes: nothing.
create function cancel_requests(worker uuid) returns setof bigint
language sql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
    select j.id
      from (select id, cancelled_at, stopping from workflow
            where (cancelled_at is not null or stopping <> '{}') and finished_at is null offset 0) w, workflow_node n,
           lateral (select id, state, worker_id from job where id = n.job_id offset 0) j
     where (w.cancelled_at is not null or n.job_id = any (w.stopping)) and n.workflow_id = w.id and n.state = 'live'
       and j.state = 'running' and j.worker_id = cancel_requests.worker
$$;
