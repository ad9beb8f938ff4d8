-- boxes_by_depth: in which box of a picture each node is, if nodes that are alike make too many: the first node of the box, in
-- the order of ids; see workflow_shape. Called by: workflow_shape. Writes: nothing.
create function boxes_by_depth(ids bigint[], tasks text[], parents bigint[], children bigint[], most int) returns bigint[]
language plpgsql stable as $$
#variable_conflict use_variable
declare
    depths int[] := node_depths(ids, parents, children);
    boxes  bigint[];
    band   int;  -- depths that are one box
begin
    boxes := array(
        select min(u.id) over (partition by u.task, u.depth) from unnest(ids, tasks, depths) u(id, task, depth) order by u.id);
    if (select count(distinct u.box) from unnest(boxes) u(box)) <= most then
        return boxes;
    end if;
    band := (select max(u.depth) from unnest(depths) u(depth)) / most + 1;
    return array(select min(u.id) over (partition by u.depth / band) from unnest(ids, depths) u(id, depth) order by u.id);
end $$;
