-- is_cancelled: whether a workflow was cancelled, or this job was to stop when that was retried.
-- Called by: finish_unended, finish_nodes, link_added, rescue_job, cancel_again, cancel_requests. Writes: nothing.
create function is_cancelled(flow bigint, job_id bigint default null) returns bool
language sql stable as $$
    select exists (select from workflow where id = flow and (cancelled_at is not null or job_id = any (stopping)))
$$;
