-- retry_workflow: runs the dead letters of a workflow again, each when its parents are over, and what was skipped below them.
-- Returns how many dead letters.
-- Called by: applications, operators. Writes: see retry; audit_log. Locks: the dead letters, their unique keys,
-- then the workflow, then the keys of what was skipped, see restore_skipped.
-- A dead letter that is unique and whose key another live job holds stays unchanged; one that was purged, or that another
-- transaction has just retried, is passed over. Raises PQ003 for an unknown workflow; PQ004, and changes nothing, when a job
-- below that was skipped is unique and another live job has its key. It counts how often a dead letter comes back, and refuses
-- none: the workflow is retried as a whole.
create function retry_workflow(workflow_id bigint, by text default null) returns int
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_variable
declare
    dead    bigint[];
    retried bigint[];
begin
    if not exists (select from workflow w where w.id = workflow_id) then
        raise exception 'workflow_id: there is no workflow %; it never existed, or it is not kept any more', workflow_id
            using errcode = 'PQ003';
    end if;
    -- All of them before the workflow is taken, as a retry of one alone does. A job that another transaction retries has
    -- not failed then.
    dead := array(
        select d.id from dead_letter d
         where d.id in (select n.job_id from workflow_node n where n.workflow_id = workflow_id and n.state = 'failed')
         order by d.id for update);
    retried := array(select d.id from unnest(dead) as d(id), lateral run_again(
        d.id, clock_timestamp(), check_by(by), null, null, false, true) r where not r.duplicate);
    if retried <> '{}' then
        perform revive(workflow_id, retried);
    end if;
    perform audit('retry_workflow', 'workflow', workflow_id::text, by, null, null,
                  jsonb_build_object('retried', cardinality(retried)));
    return cardinality(retried);
end $$;
