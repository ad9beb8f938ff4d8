-- alike_nodes: for each node of a workflow, in the order of their ids, the first one with the same task, the same parents under
-- the same conditions, and the same children; the node itself if these are 5 at most. Sets of parents are compared by a hash of
-- 64 bits: comparing them one by one takes the square of their number. Called by: workflow_shape. Writes: nothing.
create function alike_nodes(flow bigint, ids bigint[], tasks text[]) returns bigint[]
language plpgsql stable as $$
declare
    seed  constant text := 'case e.run_if when ''succeeded'' then 0 when ''finished'' then 1 else 2 end';
    boxes bigint[];
begin
    execute
        'with above as (
             select e.child_id, bit_xor(hashint8extended(e.parent_id, ' || seed || ')) as hash, count(*) as edges
               from ' || edges_by('child_id', ids) || ' group by e.child_id),
         below as (
             select e.parent_id, bit_xor(hashint8extended(e.child_id, ' || seed || ')) as hash, count(*) as edges
               from ' || edges_by('parent_id', ids) || ' group by e.parent_id),
         node as (
             select u.id, min(u.id) over alike as first, count(*) over alike as size
               from unnest($2, $3) u(id, task)
               left join above a on a.child_id = u.id left join below b on b.parent_id = u.id
             window alike as (partition by a.hash, b.hash, a.edges, b.edges, u.task))
         select array_agg(case when n.size > 5 then n.first else n.id end order by n.id) from node n'
       into boxes using flow, ids, tasks;
    return coalesce(boxes, '{}');
end $$;
