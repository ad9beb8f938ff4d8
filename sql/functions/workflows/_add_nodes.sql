-- add_nodes: adds jobs to a workflow, and the edges between them and to nodes that are there. Returns the ids in the order given.
-- Called by: enqueue_workflow, extend_workflow; finish_nodes does the same in its two halves. Writes: job, workflow,
-- workflow_node, workflow_edge. Locks: unique keys in the order of their digests, then the workflow: only a retry (see
-- restore_skipped) waits for a key while holding a workflow.
--
-- nodes: [{...}, ...], each with the options of enqueue by name (notify: false of one holds for all), and
--   name       unique in the workflow
--   after      its parents, in the order of their results: [parent, ...]
--   before     nodes of the workflow that wait for this one too; they must not have started
--   takes      the argument that gets the parent's result; with takes_all: the list of all parents' results
-- A parent is the place of an EARLIER element (1 is the first), the name of an earlier element or of a node that is there, or
-- {"node": place or name, "when": ...} or {"job": id, "when": ...}, an id of a node that is there. when: succeeded (default),
-- finished, failed. So the order of the array is a topological one, and a cycle cannot be written down.
create function add_nodes(flow bigint, nodes jsonb) returns bigint[]
language plpgsql as $$
declare
    before text := mute(nodes);
    its    record := prepare_nodes(flow, nodes);
begin
    perform link_nodes(flow, nodes, its.ids, its.names);
    if before is not null then
        perform set_notify(before);
    end if;
    return its.ids;
end $$;

-- prepare_nodes: the first half, before the workflow is taken; says what link_nodes takes. Called by: add_nodes, finish_nodes.
-- Writes: job, unique_hold.
create function prepare_nodes(flow bigint, nodes jsonb, out names jsonb, out ids bigint[])
language plpgsql set enable_seqscan = off set enable_nestloop = off set jit = off as $$
begin
    names := check_nodes(nodes);
    ids := insert_nodes(flow, nodes);
end $$;

-- link_nodes: takes the workflow, and makes nodes of new jobs. names: the place of each, see check_nodes.
-- Called by: add_nodes, link_added. Writes: workflow, workflow_node, workflow_edge; see settle. Locks: the workflow.
create function link_nodes(flow bigint, nodes jsonb, ids bigint[], names jsonb) returns void
-- Joins of arrays here: by hash, whatever size the planner thinks an array has.
language plpgsql set enable_seqscan = off set enable_nestloop = off set jit = off as $$
#variable_conflict use_variable
declare
    edges edge[];
    early bigint[];
    maker text := maker();
begin
    perform grow_workflow(flow, cardinality(ids));
    edges := edges_of(flow, nodes, ids, names);
    insert into workflow_node (job_id, workflow_id, state, pending_parents, name, task, takes, takes_all, has_parents, made_by)
    select ids[place], flow, (case when waiting.n is null then 'live' else 'blocked' end)::node_state, coalesce(waiting.n, 0),
           e->>'name', e->>'task', e->>'takes', coalesce((e->>'takes_all')::bool, false), waiting.n is not null, maker
      from jsonb_array_elements(nodes) with ordinality as given(e, place)
      left join (select child_id, count(*)::int as n from unnest(edges) group by child_id) waiting
             on waiting.child_id = ids[place];
    insert into workflow_edge (workflow_id, parent_id, child_id, run_if, position, withheld)
    select flow, parent_id, child_id, run_if, position + coalesce(earlier.last, 0),
           maker is not null and not parent_is_new and is_withheld(parent_id, maker)
      from unnest(edges) as given
      left join (select child_id as child, max(e.position) as last  -- new parents stand behind those that were there
                   from (select distinct child_id as older from unnest(edges) where not child_is_new) o,
                        lateral (select child_id, position from workflow_edge where child_id = o.older offset 0) e
                  group by child_id) earlier on earlier.child = given.child_id;
    perform wait_longer(edges);
    early := array(select distinct child_id from unnest(edges) where not parent_is_new);
    if early <> '{}' then  -- parents that were there may have ended
        perform settle('{}', early);
    end if;
end $$;

-- grow_workflow: takes the row of a workflow and makes room for more nodes; one that had finished goes on.
-- Called by: link_nodes, depend. Writes: workflow.
-- Raises PQ003 when there is no such workflow, PQ004 when it was cancelled, PQ001 when it would have too many nodes.
-- whose: how the caller knows the workflow.
create function grow_workflow(flow bigint, more int, whose text default 'workflow_id: workflow %s') returns void
language plpgsql as $$
declare
    most int := (select max_workflow_nodes from setting);
    its  workflow%rowtype;
begin
    update workflow set nodes = nodes + more, open = open + more, finished_at = null, outcome = null
     where id = flow returning * into its;
    if its.id is null then
        raise exception 'workflow_id: there is no workflow %; it never existed, or it is not kept any more', flow
            using errcode = 'PQ003';
    elsif its.cancelled_at is not null then
        raise exception '% was cancelled; enqueue another one', format(whose, flow) using errcode = 'PQ004';
    elsif its.nodes > most then
        raise exception
            'nodes: % nodes are too many for one workflow; use several, or raise max_workflow_nodes of table setting (% now)',
            its.nodes, most using errcode = 'PQ001', column = 'nodes';
    end if;
end $$;

-- wait_longer: lets nodes that are there wait for new ones too. Called by: link_nodes. Writes: workflow_node.
-- They must be blocked; then nothing below them has started, so a cycle needs a new parent of a node that is below the parent.
create function wait_longer(edges edge[]) returns void
language plpgsql set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
    older bigint[] := array(select distinct child_id from unnest(edges) where not child_is_new);
    stuck text;
begin
    if older = '{}' then
        return;
    end if;
    select job_id into stuck from workflow_node where job_id = any (older) and state <> 'blocked' order by job_id limit 1;
    if stuck is not null then
        raise exception
            'before: the node of job % has started or is over; only nodes that still wait for others can wait for more', stuck
            using errcode = 'PQ004';
    end if;
    -- Each separately: one node may be put before b and another behind it.
    with recursive below (top, id) as (
        select id, id from unnest(older) as o(id) union
        select b.top, e.child_id from below b, lateral (select child_id from workflow_edge where parent_id = b.id offset 0) e
    )
    select string_agg(coalesce(name, job_id::text), ', ' order by job_id) into stuck
      from (select distinct e.parent_id from unnest(edges) e join below b on (b.top, b.id) = (e.child_id, e.parent_id)) own,
           lateral (select job_id, name from workflow_node where job_id = own.parent_id offset 0) n;
    if stuck is not null then
        perform invalid('before', stuck, 'these nodes would wait for nodes that wait for them, in a cycle');
    end if;
    perform count_more(edges);
end $$;

-- count_more: nodes that are there wait for as many parents more as these edges say. Called by: wait_longer. Writes:
-- workflow_node.
create function count_more(edges edge[]) returns void
language plpgsql
set enable_seqscan = off set enable_nestloop = on set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
begin
    update workflow_node w set pending_parents = w.pending_parents + more.n
      from (select child_id, count(*)::int as n from unnest(edges) where not child_is_new group by child_id) more,
           lateral (select ctid as at from workflow_node where job_id = more.child_id offset 0) c
     where w.ctid = c.at;
end $$;
