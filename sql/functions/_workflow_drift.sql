-- workflow_drift: what is stored of workflows and does not agree with what it is derived from; no row in a sound install.
-- Called by: repair_workflows, tests, people. Writes: nothing. Hash joins over whole tables, whatever the statistics say.
create function workflow_drift() returns table (workflow_id bigint, job_id bigint, what text, stored text, derived text)
language sql stable set enable_nestloop = off set jit = off as $$
    with edge as (
        select e.child_id, count(*) filter (where p.ended_at is null) as pending,
               bool_or(p.ended_at is not null and e.run_if not in ('finished', p.state::text)) as barred
          from workflow_edge e join workflow_node p on p.job_id = e.parent_id group by e.child_id)
    select n.workflow_id, n.job_id, 'pending_parents', n.pending_parents::text, coalesce(e.pending, 0)::text
      from workflow_node n left join edge e on e.child_id = n.job_id
     where n.state = 'blocked' and n.pending_parents is distinct from e.pending
    union all
    select n.workflow_id, n.job_id, 'cannot run', n.state::text, 'skipped'
      from workflow_node n join edge e on e.child_id = n.job_id where n.state = 'blocked' and e.barred
    union all
    select n.workflow_id, n.job_id, 'job', n.state::text, coalesce(j.state::text, 'none')
      from workflow_node n left join job j on j.id = n.job_id
     where (case when j.id is null then 'ended' when j.state = 'blocked' then 'blocked' else 'live' end)
        <> (case when n.ended_at is not null then 'ended' else n.state::text end)
    union all
    select w.id, null, 'open', format('%s of %s', w.open, w.nodes), format('%s of %s', n.open, n.nodes)
      from workflow w left join (select workflow_id, count(*) filter (where ended_at is null) as open, count(*) as nodes
                                   from workflow_node group by 1) n on n.workflow_id = w.id
     where (w.open, w.nodes) is distinct from (n.open::int, n.nodes::int)
$$;
