-- The one trigger: who ends a node of a workflow, by whatever statement, releases its children in the same transaction.
-- `skipped` says settle alone, which has then seen to what hangs on the node; said by hand it is found by repair_workflows.
create trigger node_ended after update on workflow_node
    referencing old table as old_node new table as new_node
    for each statement execute function node_ended();
