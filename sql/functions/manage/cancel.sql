-- cancel: ends a job that has not started; it goes to the history with reason user_requested.
-- Called by: applications, operators. Writes: job, job_history; see settle for what the end of a node writes.
-- Locks: the workflow of a node, then the job row; waits for a claim in progress.
-- Raises PQ003 for an unknown job and PQ004 for one that runs or is over.
create function cancel(job_id bigint) returns void
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
declare
    flow   bigint;
    unkept text[] := case when pg_relation_size('queue') > 0 then unkept() end;
begin
    perform lock_workflows(array[job_id]);
    with held as (
        select id, errors from job where id = job_id and state in ('blocked', 'scheduled', 'ready') for update
    ), gone as (
        delete from job_kept k using held h where k.id = h.id
        returning null::timestamptz, clock_timestamp(), 'cancelled'::job_state, 'user_requested'::final_reason, null::real,
                  h.errors, k.*
    ), history as (
        insert into job_history select g.* from gone g where is_kept('cancelled', g.queue, g.workflow_id, unkept)
    )
    select coalesce(workflow_id, 0) into flow from gone;
    if flow is null then
        perform refuse(job_id, 'only a job that has not started can be cancelled');
    elsif flow > 0 then
        perform end_nodes(array[job_id], '{cancelled}');
    end if;
end $$;
