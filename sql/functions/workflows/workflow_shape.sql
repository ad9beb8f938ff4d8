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
set plan_cache_mode = force_custom_plan set enable_seqscan = off set enable_bitmapscan = off set jit = off
set work_mem = '32MB' as $$
#variable_conflict use_variable
declare
    ids         bigint[];
    their_tasks text[];
    states      node_state[];
    boxes       bigint[];
    is_alike    bool;  -- the nodes of each box have the same parents, so the edges of its first node tell those of all
    parents     bigint[];
    children    bigint[];
    conditions  text[];
begin
    if (most between 10 and 1000) is not true then
        perform invalid('most', most::text, 'use a number of boxes from 10 to 1000');
    end if;
    select coalesce(array_agg(n.job_id), '{}'), array_agg(n.task), array_agg(n.state) into ids, their_tasks, states
      from (select n.job_id, n.task, n.state from workflow_node n where n.workflow_id = workflow_id order by n.job_id) n;
    if cardinality(ids) > 50000 then
        raise exception 'workflow_id: workflow % has % nodes, too many for a picture; list its nodes', workflow_id,
            cardinality(ids) using errcode = 'PQ004';
    end if;
    boxes := alike_nodes(workflow_id, ids, their_tasks);
    is_alike := (select count(distinct u.box) from unnest(boxes) u(box)) <= most;
    select e.parents, e.children, e.conditions into parents, children, conditions
      from edges_above(workflow_id, case when is_alike then array(select distinct u.box from unnest(boxes) u(box) order by 1)
                                         else ids end) e;
    if not is_alike then
        boxes := boxes_by_depth(ids, their_tasks, parents, children, most);
    end if;
    return query
    with node as materialized (
        select u.box, u.task, coalesce(j.state::text, u.state::text) as state
          from unnest(ids, boxes, their_tasks, states) u(id, box, task, state)
          left join lateral (select j.state from job j where u.state = 'live' and j.id = u.id offset 0) j on true
    ),
    box as materialized (
        select n.box as id,
               case when count(*) = 1 then 'node' when count(distinct n.task) > 1 then 'depth' else 'task' end as kind,
               min(n.task) as task, count(distinct n.task)::int as tasks, count(*)::int as nodes,
               (count(*) filter (where n.state = 'blocked'))::int as blocked,
               (count(*) filter (where n.state = 'scheduled'))::int as scheduled,
               (count(*) filter (where n.state = 'ready'))::int as ready,
               (count(*) filter (where n.state = 'running'))::int as running,
               (count(*) filter (where n.state = 'succeeded'))::int as succeeded,
               (count(*) filter (where n.state = 'failed'))::int as failed,
               (count(*) filter (where n.state = 'cancelled'))::int as cancelled,
               (count(*) filter (where n.state = 'skipped'))::int as skipped
          from node n group by n.box
    ),
    edge as materialized (
        select p.box as parent, c.box as child, e.run_if, count(*)::int as edges
          from unnest(parents, children, conditions) e(parent, child, run_if)
          join unnest(ids, boxes) p(id, box) on p.id = e.parent
          join unnest(ids, boxes) c(id, box) on c.id = e.child
         where p.box <> c.box and (c.id = c.box or not is_alike) group by 1, 2, 3
    ),
    above as (
        select e.child, array_agg(e.parent order by e.parent, e.run_if) as after,
               array_agg(e.run_if order by e.parent, e.run_if) as run_if,
               array_agg(e.edges * case when is_alike then b.nodes else 1 end order by e.parent, e.run_if) as edges
          from edge e join box b on b.id = e.child group by e.child
    )
    select b.id, b.kind, case when b.kind = 'node' then (select n.name from workflow_node n where n.job_id = b.id) end,
           b.task, b.tasks, b.nodes, b.blocked, b.scheduled, b.ready, b.running, b.succeeded, b.failed, b.cancelled, b.skipped,
           coalesce(a.after, '{}'), coalesce(a.run_if, '{}'), coalesce(a.edges, '{}')
      from box b left join above a on a.child = b.id
     order by b.id;
end $$;

-- edges_above: the edges of a workflow that end at nodes with these ids, which are in their order, and maybe some at others.
-- Called by: workflow_shape. Writes: nothing.
create function edges_above(
    flow bigint, ids bigint[], out parents bigint[], out children bigint[], out conditions text[]
)
language plpgsql stable as $$
begin
    execute 'select array_agg(e.parent_id), array_agg(e.child_id), array_agg(e.run_if) from ' || edges_by('child_id', ids)
       into parents, children, conditions using flow, ids;
end $$;

-- edges_by: the part of a statement that reads the edges of a workflow, $1, on one side of which a node of $2 is, ids in their
-- order. Called by: edges_above, alike_nodes. Writes: nothing.
-- Where the ids lie close together, as one call has made them, the edges are one range of an index, which is read ten times as
-- fast as edge by edge.
create function edges_by(side text, ids bigint[]) returns text
language sql immutable as $$
    select case when ids[cardinality(ids)] - ids[1] < 3 * cardinality(ids)
                then format('(select e.parent_id, e.child_id, e.run_if from workflow_edge e where e.%I >= ($2)[1] '
                            'and e.%1$I <= ($2)[cardinality($2)] and e.workflow_id = $1) e', side)
                else format('(select e.parent_id, e.child_id, e.run_if from unnest($2) own(id), lateral ('
                            'select * from workflow_edge e where e.%I = own.id offset 0) e where e.workflow_id = $1) e', side) end
$$;
