-- alike_nodes: for each node the first one with the same task, the same parents under the same conditions, and the same children;
-- the node itself if these are 5 at most. Sets of parents are compared by a hash of 64 bits: comparing them one by one takes the
-- square of their number. Called by: boxes_of. Writes: nothing.
create function alike_nodes(ids bigint[], parents bigint[], children bigint[], conditions text[]) returns bigint[]
language sql stable as $$
    with edge as materialized (
        select e.parent, e.child, case e.condition when 'succeeded' then 0 when 'finished' then 1 else 2 end as seed
          from unnest(parents, children, conditions) e(parent, child, condition)
    ),
    above as (
        select e.child, bit_xor(hashint8extended(e.parent, e.seed)) as hash, count(*) as edges from edge e group by e.child
    ),
    below as (
        select e.parent, bit_xor(hashint8extended(e.child, e.seed)) as hash, count(*) as edges from edge e group by e.parent
    ),
    node as (
        select u.id, min(u.id) over alike as first, count(*) over alike as size
          from unnest(ids) u(id)
         cross join lateral (select n.task from workflow_node n where n.job_id = u.id offset 0) n
          left join above a on a.child = u.id left join below b on b.parent = u.id
        window alike as (partition by n.task, a.hash, a.edges, b.hash, b.edges)
    )
    select coalesce(array_agg(case when n.size > 5 then n.first else n.id end order by n.id), '{}') from node n
$$;
