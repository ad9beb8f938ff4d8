-- roll_slots: moves a roll on: slots whose generation is below that of the pool get it, and with it a new worker. At most
-- max_unavailable wait for their new worker at a time. Those whose worker is not ready lose nothing by it and do not wait: a roll
-- mends what crashes at every start.
-- Called by: agent_turn, with the row of the pool locked. Writes: pool_slot, pool_event. Returns how many.
create function roll_slots(its pool, by text) returns int
language plpgsql as $$
declare
    rolled int[];
begin
    if not exists (select from pool_slot s where s.pool = its.name and s.generation < its.generation) then
        return 0;
    end if;
    with held as (
        select s.*, row_number() over (partition by s.generation < its.generation and s.ready order by s.slot) as place
          from slots_of(its.name) s where s.leaving is null and s.agent_id is not null
    )
    select array_agg(h.slot order by h.slot) into rolled from held h
     where h.generation < its.generation
       and (not h.ready or h.place <= its.max_unavailable - (select count(*) from held w where not w.ready));
    update pool_slot s set generation = its.generation where s.pool = its.name and s.slot = any (rolled);
    return note_slots(its.name, 'rolling', by, null, rolled);
end $$;
