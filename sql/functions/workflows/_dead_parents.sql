-- dead_parents: whose fault it is that a node was skipped: the nodes above it that ended otherwise than its edges wanted, and
-- were not skipped themselves. Called by: skipped_error. Writes: nothing.
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

-- skipped_error: why a node was skipped, with the first 5 jobs by name whose fault it is. Called by: result. Writes: nothing.
-- With a dead letter among them, `cause` is {"job_id", "error"} of the first: what the workflow has failed of.
-- errors: of the job, which say it as long as the workflow is not kept any more.
create function skipped_error(job_id bigint, errors jsonb) returns jsonb
language sql stable set enable_seqscan = off set jit = off as $$
    with dead as materialized (select *, row_number() over (order by parent_id) as nth from dead_parents(skipped_error.job_id))
    select coalesce((
        select jsonb_build_object('type', 'DependencyFailed', 'message', string_agg(
                   format('job %s (%s) %s', parent_id, coalesce(name, task), state), ', ' order by parent_id)
                       filter (where nth <= 5)
                   || case when count(*) > 5 then format(' and %s more', count(*) - 5) else '' end) from dead having count(*) > 0
        ) || coalesce((
        select jsonb_build_object('cause', jsonb_build_object('job_id', d.id, 'error', d.errors->-1))
          from (select min(parent_id) as id from dead where state = 'failed') f,
               lateral (select * from dead_letter where id = f.id offset 0) d
        ), '{}'), errors->-1)
$$;
