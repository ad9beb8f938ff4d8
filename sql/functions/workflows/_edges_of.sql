-- check_nodes: refuses anything but an array of nodes, and returns the place of each name.
-- Called by: prepare_nodes. Writes: nothing.
create function check_nodes(nodes jsonb) returns jsonb
language plpgsql as $$
declare
    most    int := (select max_workflow_nodes from setting);
    options text[] := array_remove(array_remove(job_options(), 'depends_on'), 'run_if') || '{name,after,before,takes,takes_all}';
    twice   text;
begin
    if jsonb_typeof(nodes) is distinct from 'array' or jsonb_path_exists(nodes, 'strict $[*] ? (@.type() != "object")') then
        perform invalid('nodes', nodes::text,
                        'give a JSON array of objects, for example [{"task": "fetch"}, {"task": "store", "after": [1]}]');
    elsif nodes = '[]' then
        perform invalid('nodes', '[]', 'a workflow needs at least one node');
    elsif jsonb_array_length(nodes) > most then
        raise exception 'nodes: % nodes are too many for one workflow; use several, or raise max_workflow_nodes of table setting '
            '(% now)',
            jsonb_array_length(nodes), most using errcode = 'PQ001', column = 'nodes';
    end if;
    perform invalid('nodes', key, 'use the options of a node: ' || array_to_string(options, ', '))
       from jsonb_array_elements(nodes) as e(element), jsonb_object_keys(element) as k(key)
      where key <> all (options);
    perform check_limit_options(nodes);
    perform invalid(key, element->>key, 'give an array, for example ["fetch"]')
       from jsonb_array_elements(nodes) as e(element), unnest('{after,before}'::text[]) as k(key)
      where jsonb_typeof(element->key) not in ('array', 'null');
    perform invalid('name', element->>'name', 'use a text of 1 to 200 characters')
       from jsonb_array_elements(nodes) as e(element)
      where element ? 'name'
        and (jsonb_typeof(element->'name') not in ('string', 'null') or length(element->>'name') not between 1 and 200);
    perform invalid('takes', element->>'takes', 'use the name of an argument')
       from jsonb_array_elements(nodes) as e(element)
      where jsonb_typeof(element->'takes') not in ('string', 'null') or element->>'takes' = '';
    perform invalid('takes_all', element->>'takes_all', 'use true or false')
       from jsonb_array_elements(nodes) as e(element) where jsonb_typeof(element->'takes_all') not in ('boolean', 'null');
    perform invalid('takes_all', 'true', 'name the argument that gets the list in takes')
       from jsonb_array_elements(nodes) as e(element) where element->'takes_all' = 'true' and element->>'takes' is null;
    perform invalid(kind, key, 'use node or job, and when')
       from jsonb_array_elements(nodes) as e(element), unnest('{after,before}'::text[]) as k(kind),
            jsonb_array_elements(nullif(element->kind, 'null')) as l(a),
            jsonb_object_keys(case when jsonb_typeof(a) = 'object' then a else '{}' end) as o(key)
      where key not in ('node', 'job', 'when');
    perform invalid(kind, a::text, 'give node or job')
       from jsonb_array_elements(nodes) as e(element), unnest('{after,before}'::text[]) as k(kind),
            jsonb_array_elements(nullif(element->kind, 'null')) as l(a)
      where jsonb_typeof(a) = 'object' and (a ? 'node') = (a ? 'job');
    select element->>'name' into twice
      from jsonb_array_elements(nodes) as e(element) where element->>'name' is not null
     group by 1 having count(*) > 1 order by 1 limit 1;
    if twice is not null then
        perform invalid('name', twice, 'two nodes have this name; give each its own');
    end if;
    return (select coalesce(jsonb_object_agg(element->>'name', place), '{}')
              from jsonb_array_elements(nodes) with ordinality as e(element, place) where element->>'name' is not null);
end $$;

-- node_ref: the place, name or id that stands for a node; NULL for a number that can be neither place nor id.
-- Called by: edges_of, refuse_link. Writes: nothing.
create function node_ref(link jsonb) returns jsonb
language sql immutable as $$
    select case when jsonb_typeof(ref) = 'number'
                     and (ref::numeric <> trunc(ref::numeric) or abs(ref::numeric) > 2147483647 and not is_id
                          or abs(ref::numeric) > 9223372036854775807) then null else ref end
      from (select case when is_id then link->'job' when jsonb_typeof(link) = 'object' then link->'node' else link end as ref,
                   is_id
              from (select jsonb_typeof(link) = 'object' and link ? 'job' as is_id) i) r
$$;

-- edges_of: the edges that nodes name, each once. Called by: link_nodes. Writes: nothing. The caller holds the workflow.
-- ids: of the new nodes; names: the place of each, see check_nodes. The position of a parent is that in the child's `after`; new
-- parents of a node that is there come in the order of the array. Raises PQ001 for a node that it cannot find.
create function edges_of(flow bigint, nodes jsonb, ids bigint[], names jsonb) returns edge[]
language plpgsql set enable_seqscan = off set enable_nestloop = off set jit = off as $$
#variable_conflict use_column
declare
    found_edges edge[];
begin
    perform invalid('name', element->>'name', 'the workflow has a node of this name; use another')
       from jsonb_array_elements(nodes) as e(element),
            lateral (select from workflow_node where workflow_id = flow and name = element->>'name' offset 0) n;  -- not all nodes

    with link as materialized (
        select place::int, kind, position::int, coalesce(a->>'when', 'succeeded') as run_if,
               node_ref(a) as ref, jsonb_typeof(a) = 'object' and a ? 'job' as is_id
          from jsonb_array_elements(nodes) with ordinality as e(element, place), unnest('{after,before}'::text[]) as k(kind),
               jsonb_array_elements(nullif(element->kind, 'null')) with ordinality as l(a, position)
    ), found as materialized (
        select l.*, ids[place] as me,
               names ? (ref #>> '{}') and not is_id or jsonb_typeof(ref) = 'number' and not is_id as other_is_new, case
                   when is_id then case when jsonb_typeof(ref) = 'number' then
                       (select job_id from workflow_node n where n.job_id = ref::bigint and n.workflow_id = flow) end
                   when jsonb_typeof(ref) = 'number' then case when kind = 'after' and ref::numeric < place then ids[ref::int] end
                   when names ? (ref #>> '{}') then
                       case when kind = 'after' and (names->(ref #>> '{}'))::int < place
                            then ids[(names->(ref #>> '{}'))::int] end
                   else (select job_id from workflow_node n where n.workflow_id = flow and n.name = ref #>> '{}')
               end as other
          from link l
    )
    select array_agg((parent_id, child_id, run_if, position, parent_is_new, child_is_new)::edge) into found_edges
      from (select distinct on (parent_id, child_id) parent_id, child_id, position, parent_is_new, child_is_new,
                   case when min(run_if) over each = max(run_if) over each then run_if end as run_if
              from (select case kind when 'after' then other else me end as parent_id,
                           case kind when 'after' then me else other end as child_id, run_if,
                           case kind when 'after' then position else place end as position,
                           kind = 'before' or other_is_new as parent_is_new, kind = 'after' as child_is_new
                      from found) f
            window each as (partition by parent_id, child_id)
             order by parent_id, child_id, position) x;

    if exists (select from unnest(found_edges)
                where child_id is null or parent_id is null or (run_if in ('succeeded', 'finished', 'failed')) is not true) then
        perform refuse_link(flow, nodes, names);
        perform refuse_contradiction(nodes, ids, e) from unnest(found_edges) as e where e.run_if is null;
    end if;
    return coalesce(found_edges, '{}');
end $$;

-- refuse_link: says which parent or child of new nodes is wrong. Called by: edges_of, when one is. Writes: nothing.
create function refuse_link(flow bigint, nodes jsonb, names jsonb) returns void
language plpgsql as $$
declare
    link  record;
    place int;
begin
    for link in
        select e.place, kind, a, coalesce(element->>'name', 'number ' || e.place) as node,
               node_ref(a) as ref, jsonb_typeof(a) = 'object' and a ? 'job' as is_id, coalesce(a->>'when', 'succeeded') as run_if
          from jsonb_array_elements(nodes) with ordinality as e(element, place), unnest('{after,before}'::text[]) as k(kind),
               jsonb_array_elements(nullif(element->kind, 'null')) as l(a)
    loop
        if link.run_if not in ('succeeded', 'finished', 'failed') then
            perform invalid('when', link.run_if, 'use succeeded, finished or failed');
        end if;
        place := case when link.is_id then null when jsonb_typeof(link.ref) = 'number' then link.ref::int
                      else (names->>(link.ref #>> '{}'))::int end;
        continue when place between 1 and link.place - 1 and link.kind = 'after';
        if place = link.place then
            perform invalid(link.kind, link.a::text, format('node %s cannot wait for itself', link.node));
        elsif place is not null and place between 1 and jsonb_array_length(nodes)
              and (link.kind = 'before' or place > link.place) then
            perform invalid(link.kind, link.a::text, format(
                'node %s names a node that does not stand before it in the array; put parents first '
                '(nodes in a cycle have no such order)', link.node));
        elsif place is not null and jsonb_typeof(link.ref) = 'number'
              or not exists (select from workflow_node n where n.workflow_id = flow
                              and (case when link.is_id then n.job_id::text = link.ref::text
                                        else n.name = link.ref #>> '{}' end)) and place is null then
            perform invalid(link.kind, link.a::text, format(
                'node %s names a node that workflow %s does not have', link.node, flow));
        end if;
    end loop;
end $$;

-- refuse_contradiction: says between which nodes two edges were named that want different ends. Called by: edges_of, when there
-- are.
create function refuse_contradiction(nodes jsonb, ids bigint[], doubled edge) returns void
language plpgsql as $$
declare
    labels text[] := array(
        select coalesce(nodes->(place - 1)->>'name', 'number ' || place, 'of job ' || id)
          from unnest(array[doubled.child_id, doubled.parent_id]) with ordinality as e(id, nth), array_position(ids, id) as place
         order by nth);
begin
    raise exception 'when: node % waits for node % in several ways, which contradict each other; give one', labels[1], labels[2]
        using errcode = 'PQ001', column = 'when';
end $$;
