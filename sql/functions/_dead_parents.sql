-- dead_parents: whose fault it is that a node was skipped: the nodes above it that ended otherwise than its edges wanted, and were
-- not skipped themselves. Called by: result, the view workflow_nodes. Writes: nothing.
create function dead_parents(job_id bigint) returns table (parent_id bigint, name text, task text, state node_state)
language sql stable set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
    with recursive above (id, state) as (
        select dead_parents.job_id, 'skipped'::node_state
        union
        select p.job_id, p.state
          from above a, lateral (select parent_id, run_if from workflow_edge where child_id = a.id offset 0) e,
               lateral (select job_id, state from workflow_node where job_id = e.parent_id and ended_at is not null offset 0) p
         where a.state = 'skipped' and e.run_if not in ('finished', p.state::text)
    )
    select n.job_id, n.name, n.task, n.state
      from above a, lateral (select * from workflow_node where job_id = a.id offset 0) n
     where a.state <> 'skipped' order by n.job_id
$$;

-- skipped_error: why a node was skipped, with the jobs by name whose fault it is. Called by: result. Writes: nothing.
-- errors: of the job, which say it as long as the workflow is not kept any more.
create function skipped_error(job_id bigint, errors jsonb) returns jsonb
language sql stable as $$
    select coalesce((select jsonb_build_object('type', 'DependencyFailed', 'message', string_agg(
                                format('job %s (%s) %s', parent_id, coalesce(name, task), state), ', ' order by parent_id))
                       from dead_parents(skipped_error.job_id) having count(*) > 0), errors->-1)
$$;
