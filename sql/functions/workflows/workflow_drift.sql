-- workflow_drift: what is stored of workflows and does not agree with what it is derived from; no row in a sound install.
-- Called by: repair_workflows, diagnose_workflows, people. Writes: nothing.
-- only_open: leave out what has finished: nothing waits there any more, and it may be much.
-- most: stop after the workflow with which this many nodes have been looked at, and begin anywhere; NULL = look at all.
create function workflow_drift(only_open bool default false, most int default null)
returns table (workflow_id bigint, job_id bigint, what text, stored text, derived text)
-- "lateral (... offset 0)": by key, in time linear in the nodes looked at, whatever the statistics say; arrays of rows join by
-- hash.
language sql stable security definer set search_path from current
set enable_nestloop = off set enable_seqscan = off set jit = off as $$
    with flow as materialized (
        select id, nodes, open
          from (select id, nodes, open, sum(nodes) over (order by place < first, place) - nodes as before
                  from (select w.*, row_number() over (order by id) as place
                          from workflow w where finished_at is null or not only_open) w,
                       (select floor(1 + random() * count(*)) as first from workflow where finished_at is null) f) counted
         where before < most or most is null
    ), node as materialized (
        select n.* from flow f, lateral (
            select workflow_id, job_id, state, pending_parents, ended_at, has_parents
              from workflow_node where workflow_id = f.id offset 0) n
    ), edge as (
        select c.job_id, count(*) filter (where p.ended_at is null) as pending,
               bool_or(p.ended_at is not null and e.run_if not in ('finished', p.state::text)) as barred
          from (select n.job_id from node n where n.state = 'blocked') c,
               lateral (select parent_id, run_if from workflow_edge where child_id = c.job_id offset 0) e,
               lateral (select state, ended_at from workflow_node where job_id = e.parent_id offset 0) p
         group by c.job_id
    )
    select n.workflow_id, n.job_id, 'pending_parents', n.pending_parents::text, coalesce(e.pending, 0)::text
      from node n left join edge e on e.job_id = n.job_id
     where n.state = 'blocked' and n.pending_parents is distinct from e.pending
    union all
    select n.workflow_id, n.job_id, 'has_parents', 'false', 'true'
      from node n join edge e on e.job_id = n.job_id where not n.has_parents
    union all
    select n.workflow_id, n.job_id, 'cannot run', n.state::text, 'skipped'
      from node n join edge e on e.job_id = n.job_id where n.state = 'blocked' and e.barred
    union all
    select n.workflow_id, n.job_id, 'job', n.state::text, coalesce(j.state::text, 'none')
      from node n left join lateral (select id, state from job where id = n.job_id offset 0) j on true
     where (case when j.id is null then 'ended' when j.state = 'blocked' then 'blocked' else 'live' end)
        <> (case when n.ended_at is not null then 'ended' else n.state::text end)
    union all
    select f.id, null, 'open', format('%s of %s', f.open, f.nodes), format('%s of %s', coalesce(n.open, 0), coalesce(n.nodes, 0))
      from flow f left join (select workflow_id, count(*) filter (where ended_at is null) as open, count(*) as nodes
                               from node group by 1) n on n.workflow_id = f.id
     where (f.open, f.nodes) is distinct from (n.open::int, n.nodes::int)
$$;
