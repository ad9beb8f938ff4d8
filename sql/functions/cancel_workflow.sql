-- cancel_workflow: ends the nodes of a workflow that have not started, and asks the running ones to stop; they end as they will, but
-- do not run again if they fail. Returns how many nodes it ended.
-- Called by: applications, operators; maintain, for what was running then and has been given back since.
-- Writes: workflow, job, job_history; see settle. Locks: the workflow, then job rows SKIP LOCKED: one that somebody holds is left to
-- them, and to maintain. Raises PQ003 for an unknown workflow; of one that has finished it ends nothing.
create function cancel_workflow(workflow_id bigint) returns int
language plpgsql security definer set search_path from current set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_variable
declare
    ended bigint[];
begin
    update workflow w set cancelled_at = coalesce(w.cancelled_at, clock_timestamp()) where w.id = workflow_id and w.finished_at is null;
    if not found then
        if not exists (select from workflow w where w.id = workflow_id) then
            raise exception 'workflow_id: there is no workflow %; it never existed, or it is not kept any more', workflow_id
                using errcode = 'PQ003';
        end if;
        return 0;
    end if;
    with waiting as materialized (
        select j.id
          from workflow_node n, lateral (
               select j.id from job j where j.id = n.job_id and j.state in ('blocked', 'scheduled', 'ready') for update skip locked offset 0) j
         where n.workflow_id = workflow_id and n.ended_at is null
    ), gone as (
        delete from job j using waiting w where j.id = any (array[w.id]) returning j.*
    ), history as (
        insert into job_history (id, run_at, created_at, finished_at, retry_of, workflow_id, state, reason, priority, attempt,
                                 max_attempts, rescues, queue, task, args, retry, result_ttl, unique_key, unique_mode, meta, errors)
        select g.id, g.run_at, g.created_at, clock_timestamp(), g.retry_of, g.workflow_id, 'cancelled', 'user_requested', g.priority,
               g.attempt, g.max_attempts, g.rescues, g.queue, g.task, g.args, g.retry, g.result_ttl, g.unique_key, g.unique_mode,
               g.meta, g.errors
          from gone g
    )
    select array_agg(id) into ended from gone;
    if ended is not null then
        perform end_nodes(ended, array_fill('cancelled'::node_state, array[cardinality(ended)]));
    end if;
    perform pg_notify(channel(), '!cancel');
    return coalesce(cardinality(ended), 0);
end $$;
