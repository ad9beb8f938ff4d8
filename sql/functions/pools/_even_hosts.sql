-- even_hosts: moves one slot from the host that has most to one that has at least two fewer, and room: after a machine has come
-- back, or was added. Only while all is quiet: each slot has a ready worker and none is leaving, so one moves at a time, and
-- never one of a pool that is short. Its worker ends when its jobs have, and arrange_slots makes another slot in its place.
-- Called by: agent_turn, before arrange_slots, with the row of the pool locked. Writes: pool_slot, pool_event. Returns how many.
create function even_hosts(its pool, by text) returns int
language plpgsql as $$
declare
    crowded text;
begin
    if its.paused or its.deleting or (select count(distinct a.host) from agent a where a.pool = its.name) < 2
       or exists (select from slots_of(its.name) s
                   where s.leaving is not null or not s.ready or s.agent_id is null or s.generation < its.generation) then
        return 0;
    end if;
    with host as (
        select a.host, sum(h.held) as held, sum(a.slots - a.occupied - h.held) filter (where not a.draining) as room
          from agent a cross join lateral (select count(*) as held from pool_slot s where s.agent_id = a.id) h
         where a.pool = its.name and a.heartbeat_at + a.lease > clock_timestamp() group by a.host
    )
    select most.host into crowded from host most
     where most.held >= 2 + (select min(least.held) from host least where least.room > 0)
     order by most.held desc, most.host limit 1;
    if crowded is null then
        return 0;
    end if;
    perform leave_slots(its.name, 1, crowded);
    perform note_pool(its.name, 'moved', by, null, null, 'spread', jsonb_build_object('from', crowded));
    return 1;
end $$;
