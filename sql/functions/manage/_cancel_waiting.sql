-- cancel_waiting: ends a job that does not run; see cancel. NULL when it has started meanwhile, or is over.
-- Called by: cancel_job, which pins the plan. Writes: job, job_history; see settle for what the end of a node writes.
-- Locks: the workflow of a node, then the job row; waits for a claim in progress.
create function cancel_waiting(job_id bigint, request jsonb) returns text
language plpgsql as $$
begin
    perform lock_workflows(array[job_id]);
    update job j set control = with_request(j.control, request)
     where j.id = job_id and j.state in ('blocked', 'scheduled', 'ready');
    if not found then
        return null;
    end if;
    perform cancel_held(array[job_id]);
    return 'cancelled';
end $$;
