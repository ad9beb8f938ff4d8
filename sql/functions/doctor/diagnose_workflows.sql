-- diagnose_workflows: workflows whose numbers do not agree with their jobs, and those whose callbacks are missing.
-- Called by: doctor, workers. Writes: nothing.
-- nodes: stop after so many; open workflows only
create function diagnose_workflows(nodes int default 20000) returns setof finding
language sql stable security definer set search_path from current set jit = off as $$
    (select 'workflow-drift', 'error', format('workflow %s', workflow_id),
           format('workflow %s does not agree with its jobs in %s places, such as %s of job %s: %s, not %s', workflow_id,
                  count(*), min(what), coalesce(min(job_id)::text, 'none'), min(stored), min(derived)),
           jsonb_build_object('workflow', workflow_id, 'places', count(*)),
           'nodes of it may wait for ever; workers repair it within a minute',
           format('select %I.repair_workflows()', current_schema())
      from workflow_drift(true, nodes) group by workflow_id order by workflow_id limit 100)
    union all
    (select 'workflow-callback', 'warning', format('workflow %s', id),
            format('workflow %s has finished, and its callback was not enqueued: %s', id, callback_error),
            jsonb_build_object('workflow', id, 'outcome', outcome),
            'nobody was told of its end',
            format('mend that, and enqueue the job by hand: on_success or on_failure in %I.workflow', current_schema())
       from workflow where callback_error is not null and finished_at > clock_timestamp() - interval '1 day'
      order by id desc limit 100)
$$;
