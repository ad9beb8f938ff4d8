-- cancel_workflow: ends the nodes of a workflow that have not started, and asks the running ones to stop; they end as they will,
-- but do not run again, see cancel_again. Returns how many nodes it ended.
-- Called by: applications, operators. Writes: workflow, job, job_history, audit_log; see settle. Locks: the workflow, then job
-- rows SKIP LOCKED: a locked one is left to them, and to maintain. Raises PQ003 for an unknown workflow; of one that has finished
-- it ends nothing.
create function cancel_workflow(workflow_id bigint, by text default null) returns int
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    is_open bool := exists (select from workflow w where w.id = workflow_id and w.finished_at is null);
    ended   int := end_workflow(workflow_id);
begin
    if is_open then
        perform audit('cancel_workflow', 'workflow', workflow_id::text, by, null, null, jsonb_build_object('cancelled', ended));
    end if;
    return ended;
end $$;

-- end_workflow: cancel_workflow, without a line in the audit log. Called by: cancel_workflow; mend_workflows and
-- end_workflows_singly, for nodes that were locked then, or were just coming back. Writes, locks, raises: see cancel_workflow.
create function end_workflow(workflow_id bigint) returns int
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_variable
declare
    ended bigint[];
begin
    update workflow w set cancelled_at = coalesce(w.cancelled_at, clock_timestamp())
     where w.id = workflow_id and w.finished_at is null;
    if not found then
        if not exists (select from workflow w where w.id = workflow_id) then
            raise exception 'workflow_id: there is no workflow %; it never existed, or it is not kept any more', workflow_id
                using errcode = 'PQ003';
        end if;
        return 0;
    end if;
    ended := array(
        select j.id
          from workflow_node n, lateral (
               select j.id from job j where j.id = n.job_id and j.state in ('blocked', 'scheduled', 'ready')
                for update skip locked offset 0) j
         where n.workflow_id = workflow_id and n.ended_at is null);
    if ended <> '{}' then
        perform cancel_held(ended);
    end if;
    perform wake('!cancel');
    return cardinality(ended);
end $$;
