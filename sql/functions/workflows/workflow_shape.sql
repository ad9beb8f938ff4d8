-- workflow_shape: a workflow as a picture of boxes, however large it is: a row per box, in the order of their first nodes.
-- Called by: the REST API, for the dashboard. Writes: nothing.
-- most: the most boxes. Nodes of one task with the same parents and the same children are one box if there are more than 5; if
-- that makes too many boxes, nodes of one task at one depth are one, and if these are too many, all nodes of some depths. Which
-- nodes are together depends on the structure alone, so a box stays what it is while the workflow runs.
-- id: the first job of the box; after, run_if, edges: the boxes that it waits for, how their nodes must end, and how many edges
-- there are. task: the first of its tasks in the alphabet.
-- Raises PQ001 for a bad number; PQ004 for more than 50,000 nodes. No row for an unknown workflow.
create function workflow_shape(workflow_id bigint, most int default 300)
returns table (
    id bigint, kind text, name text, task text, tasks int, nodes int, blocked int, scheduled int, ready int, running int,
    succeeded int, failed int, cancelled int, skipped int, after bigint[], run_if text[], edges int[]
)
language plpgsql stable security definer set search_path from current
set plan_cache_mode = force_custom_plan set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_variable
declare
    ids        bigint[] := array(select n.job_id from workflow_node n where n.workflow_id = workflow_id order by n.job_id);
    parents    bigint[];
    children   bigint[];
    conditions text[];
    boxes      bigint[];
begin
    if (most between 10 and 1000) is not true then
        perform invalid('most', most::text, 'use a number of boxes from 10 to 1000');
    end if;
    if cardinality(ids) > 50000 then
        raise exception 'workflow_id: workflow % has % nodes, too many for a picture; list its nodes', workflow_id,
            cardinality(ids) using errcode = 'PQ004';
    end if;
    select array_agg(e.parent_id), array_agg(e.child_id), array_agg(e.run_if) into parents, children, conditions
      from unnest(ids) own(id), lateral (
           select e.parent_id, e.child_id, e.run_if from workflow_edge e where e.child_id = own.id offset 0) e;
    boxes := boxes_of(ids, parents, children, conditions, most);
    return query
    with node as materialized (
        select u.box, n.job_id, n.name, n.task, coalesce(j.state::text, n.state::text) as state
          from unnest(ids, boxes) u(id, box)
         cross join lateral (select * from workflow_node n where n.job_id = u.id offset 0) n
          left join lateral (select j.state from job j where n.state = 'live' and j.id = n.job_id offset 0) j on true
    ),
    edge as materialized (
        select p.box as parent, c.box as child, e.run_if, count(*)::int as edges
          from unnest(parents, children, conditions) e(parent, child, run_if)
          join unnest(ids, boxes) p(id, box) on p.id = e.parent
          join unnest(ids, boxes) c(id, box) on c.id = e.child
         where p.box <> c.box group by 1, 2, 3
    ),
    above as (
        select e.child, array_agg(e.parent order by e.parent, e.run_if) as after,
               array_agg(e.run_if order by e.parent, e.run_if) as run_if, array_agg(e.edges order by e.parent, e.run_if) as edges
          from edge e group by e.child
    )
    select b.*, coalesce(a.after, '{}'), coalesce(a.run_if, '{}'), coalesce(a.edges, '{}')
      from (select n.box as id,
                   case when count(*) = 1 then 'node' when count(distinct n.task) > 1 then 'depth' else 'task' end as kind,
                   case when count(*) = 1 then min(n.name) end as name, min(n.task) as task, count(distinct n.task)::int as tasks,
                   count(*)::int as nodes, (count(*) filter (where n.state = 'blocked'))::int,
                   (count(*) filter (where n.state = 'scheduled'))::int, (count(*) filter (where n.state = 'ready'))::int,
                   (count(*) filter (where n.state = 'running'))::int, (count(*) filter (where n.state = 'succeeded'))::int,
                   (count(*) filter (where n.state = 'failed'))::int, (count(*) filter (where n.state = 'cancelled'))::int,
                   (count(*) filter (where n.state = 'skipped'))::int
              from node n group by n.box) b
      left join above a on a.child = b.id
     order by b.id;
end $$;
