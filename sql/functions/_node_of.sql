-- node_of: what a worker must know of a node besides its job:
-- {"workflow", "workflow_name", "name", "takes", "takes_all", "parents": how many}.
-- Called by: claim, claim_jobs, as (select node from node_of(...)). Writes: nothing.
-- A set of one row in language sql, without settings: so it becomes part of the caller's statement. A function that is called
-- for each node costs as much as the claim itself.
create function node_of(job_id bigint) returns table (node jsonb)
language sql stable as $$
    select jsonb_build_object('workflow', n.workflow_id, 'name', n.name,
                              'workflow_name', (select w.name from workflow w where w.id = n.workflow_id),
                              'takes', n.takes, 'takes_all', n.takes_all,
                              'parents', (select count(*) from workflow_edge e where e.child_id = n.job_id))
      from workflow_node n where n.job_id = node_of.job_id
$$;
