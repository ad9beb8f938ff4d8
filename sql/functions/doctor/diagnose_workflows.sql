-- diagnose_workflows: workflows whose numbers do not agree with their jobs. Called by: doctor, workers. Writes: nothing.
-- nodes: stop after so many; open workflows only
create function diagnose_workflows(nodes int default 20000) returns setof finding
language sql stable security definer set search_path from current set jit = off as $$
    select 'workflow-drift', 'error', format('workflow %s', workflow_id),
           format('workflow %s does not agree with its jobs in %s places, such as %s of job %s: %s, not %s', workflow_id,
                  count(*), min(what), coalesce(min(job_id)::text, 'none'), min(stored), min(derived)),
           jsonb_build_object('workflow', workflow_id, 'places', count(*)),
           'nodes of it may wait for ever; workers repair it within a minute',
           format('select %I.repair_workflows()', current_schema())
      from workflow_drift(true, nodes) group by workflow_id order by workflow_id limit 100
$$;
