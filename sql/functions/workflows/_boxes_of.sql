-- boxes_of: in which box of a picture each node is: the first node of the box, in the order of ids; see workflow_shape.
-- Called by: workflow_shape. Writes: nothing.
create function boxes_of(ids bigint[], parents bigint[], children bigint[], conditions text[], most int) returns bigint[]
language plpgsql stable as $$
#variable_conflict use_variable
declare
    boxes  bigint[] := alike_nodes(ids, parents, children, conditions);
    depths int[];
    band   int;  -- depths that are one box
begin
    if (select count(distinct u.box) from unnest(boxes) u(box)) <= most then
        return boxes;
    end if;
    depths := node_depths(ids, parents, children);
    boxes := array(
        select min(u.id) over (partition by n.task, u.depth) from unnest(ids, depths) u(id, depth)
         cross join lateral (select n.task from workflow_node n where n.job_id = u.id offset 0) n
         order by u.id);
    if (select count(distinct u.box) from unnest(boxes) u(box)) <= most then
        return boxes;
    end if;
    band := (select max(u.depth) from unnest(depths) u(depth)) / most + 1;
    return array(select min(u.id) over (partition by u.depth / band) from unnest(ids, depths) u(id, depth) order by u.id);
end $$;
