-- extend_workflow: adds nodes to a workflow that is there and returns their jobs' ids in the order given; one that had finished
-- goes on.
-- Called by: applications. A running job adds to its own workflow by handing the nodes in with its outcome: then they are there
-- once, and only if it succeeded. Writes, locks, raises: see add_nodes.
-- The workflow's jobs cannot finish until the caller's transaction has ended, so keep that short.
create function extend_workflow(workflow_id bigint, nodes jsonb) returns bigint[]
language plpgsql security definer set search_path from current as $$
begin
    return add_nodes(workflow_id, nodes);
end $$;
