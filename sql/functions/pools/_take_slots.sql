-- take_slots: an agent takes its share of the free slots; others take theirs in their own turns.
-- Called by: agent_turn, with the row of the pool locked. Writes: pool_slot, pool_event.
create function take_slots(its pool, me agent) returns void
language plpgsql as $$
declare
    free  int[] := array(select s.slot from pool_slot s where s.pool = its.name and s.agent_id is null order by s.slot);
    taken int[];
begin
    if free = '{}' then
        return;
    end if;
    taken := free[1:fair_share(me, cardinality(free))];
    update pool_slot s set agent_id = me.id, generation = its.generation, taken_at = clock_timestamp()
     where s.pool = its.name and s.slot = any (taken);
    perform note_slots(its.name, 'taken', me.name, null, taken);
end $$;

-- fair_share: how many of so many free slots are for this agent. One after the other goes to the host that has fewest, among
-- those that have room, and there to the agent that has fewest. All agents reckon the same, whoever comes first.
-- Called by: take_slots. Writes: nothing.
create function fair_share(me agent, free int) returns int
language sql stable as $$
    with its as (
        select a.id, a.host, h.held, count(s.slot) filter (where s.leaving is null) as own,
               a.slots - a.occupied - count(s.slot) as room
          from agent a
          left join pool_slot s on s.agent_id = a.id
         cross join lateral (select count(*) as held from agent b join pool_slot t on t.agent_id = b.id
                              where b.pool = me.pool and b.host = a.host and t.leaving is null) h
         where a.pool = me.pool and not a.draining and a.heartbeat_at + a.lease > clock_timestamp()
         group by a.id, a.host, h.held
    ), place as (
        select its.id, its.host,
               its.held + row_number() over (partition by its.host order by its.own + n, its.id) as level
          from its cross join lateral generate_series(1, least(its.room, free)) as g(n)
    ), given as (
        select p.id from place p order by p.level, p.host, p.id limit free
    )
    select count(*)::int from given where id = me.id
$$;
