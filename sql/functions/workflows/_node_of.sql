-- node_of: what a worker must know of a node besides its job:
-- {"workflow", "name", "workflow_name", "takes", "takes_all", "has_parents"}.
-- Called by: claim, claim_jobs, as (select node from node_of(...)). Writes: nothing.
-- Keys without a value, or false, are left out. Text that becomes jsonb costs half of jsonb_build_object, and there is less to
-- send.
-- A set of one row in language sql, without settings: so it becomes part of the caller's statement. A function that is called
-- for each node costs as much as the claim itself.
create function node_of(job_id bigint) returns table (node jsonb)
language sql stable as $$
    select ('{"workflow":' || n.workflow_id || coalesce(',"name":' || to_json(n.name), '')
            || coalesce(',"workflow_name":' || to_json((select w.name from workflow w where w.id = n.workflow_id)), '')
            || coalesce(',"takes":' || to_json(n.takes), '') || case when n.takes_all then ',"takes_all":true' else '' end
            || case when n.has_parents then ',"has_parents":true}' else '}' end)::jsonb
      from workflow_node n where n.job_id = node_of.job_id
$$;
