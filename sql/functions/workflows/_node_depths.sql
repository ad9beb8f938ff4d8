-- node_depths: how many nodes stand above each node on the longest way to it, in the order of ids.
-- Called by: boxes_by_depth. Writes: nothing. It goes over the edges until nothing changes, once forth and once back: children
-- have higher ids than their parents, apart from those that a node was put in front of, so twice mostly.
create function node_depths(ids bigint[], parents bigint[], children bigint[]) returns int[]
language plpgsql stable as $$
#variable_conflict use_variable
declare
    depths    int[] := array_fill(0, array[cardinality(ids)]);
    above     int[];
    below     int[];
    is_deeper bool;
begin
    select array_agg(p.place order by c.place, p.place), array_agg(c.place order by c.place, p.place) into above, below
      from unnest(parents, children) e(parent, child)
      join unnest(ids) with ordinality p(id, place) on p.id = e.parent
      join unnest(ids) with ordinality c(id, place) on c.id = e.child;
    for round in 1 .. 1000 loop  -- no end of its own if somebody has written a circle into the table
        is_deeper := false;
        for i in 1 .. coalesce(cardinality(above), 0) loop
            if depths[above[i]] >= depths[below[i]] then
                depths[below[i]] := depths[above[i]] + 1;
                is_deeper := true;
            end if;
        end loop;
        exit when not is_deeper;
        for i in reverse coalesce(cardinality(above), 0) .. 1 loop
            if depths[above[i]] >= depths[below[i]] then
                depths[below[i]] := depths[above[i]] + 1;
            end if;
        end loop;
    end loop;
    return depths;
end $$;
