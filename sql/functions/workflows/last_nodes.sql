-- last_nodes: the jobs whose results are the workflow's: no other node waits for them. What runs only after a failure is nobody's
-- last, nor is what hangs on it, and who is waited for by such nodes alone is a last one still. In the order they were added;
-- empty for an unknown workflow. Called by: applications, in the statement that adds a workflow and when they wait for its
-- result.
-- Writes: nothing. Volatile, because in that statement it has to see what the statement has added.
create function last_nodes(workflow_id bigint) returns bigint[]
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_variable
begin
    return array(
        with recursive own (id) as materialized (
            select n.job_id from workflow_node n where n.workflow_id = workflow_id
        ),
        handler (id) as (
            select e.child_id
              from own, lateral (select child_id from workflow_edge where child_id = own.id and run_if = 'failed' offset 0) e
             union
            select e.child_id
              from handler h,
                   lateral (select child_id from workflow_edge where parent_id = h.id and run_if <> 'finished' offset 0) e
        ),
        waited_for (id) as materialized (
            select e.parent_id
              from (select id from own except select id from handler) w,
                   lateral (select parent_id from workflow_edge where child_id = w.id offset 0) e
        )
        select id from own except select id from handler except select id from waited_for order by id);
end $$;
