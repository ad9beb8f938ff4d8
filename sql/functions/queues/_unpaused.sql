-- unpaused: those of these queues from which jobs may start, with their weights, in the same order; and the tasks of which none
-- may (NULL: no task is paused).
-- Called by: claim, has_work, where the table pause is not empty. Writes: nothing. Locks: none.
create function unpaused(inout queues text[], inout weights float8[] default null, out tasks text[])
language plpgsql as $$
#variable_conflict use_variable
begin
    if exists (select from pauses p where p.kind = 'everything') then
        queues := '{}';
        return;
    end if;
    select coalesce(array_agg(q.name order by q.place), '{}'),
           case when weights is not null then array_agg(weights[q.place] order by q.place) end
      into queues, weights
      from unnest(queues) with ordinality as q(name, place)
     where not exists (select from pauses p where p.kind = 'queue' and p.name = q.name);
    tasks := (select array_agg(p.name) from pauses p where p.kind = 'task');
end $$;
