-- The only trigger: any statement that ends a node of a workflow releases the node's children in the same transaction.
-- `skipped` says settle alone, which has then handled the nodes below; set by hand it is found by repair_workflows.
create trigger node_ended after update on workflow_node
    referencing old table as old_node new table as new_node
    for each statement execute function node_ended();

create trigger audit_log_kept before update or delete on audit_log for each row execute function keep_audit();
create trigger audit_log_kept_whole before truncate on audit_log for each statement execute function keep_audit();
