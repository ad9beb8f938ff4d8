-- arrange_slots: makes the slots that stay as many as are wanted: new ones are free; of too many, those that nobody misses go.
-- Called by: agent_turn, with the row of the pool locked. Writes: pool_slot. Returns how many it has made or marked.
create function arrange_slots(its pool) returns int
language plpgsql as $$
declare
    target int := case when its.paused or its.deleting then 0 else its.wanted end;
    kept   int;
    every  int;
begin
    select count(*) filter (where s.leaving is null), count(*) into kept, every from pool_slot s where s.pool = its.name;
    if kept < target then
        insert into pool_slot (pool, slot, generation)
        select its.name, n, its.generation
          from generate_series(1, target + every) as g(n)
         where not exists (select from pool_slot s where s.pool = its.name and s.slot = n)
         order by n limit target - kept;
    elsif kept > target then
        perform leave_slots(its.name, kept - target);
    end if;
    return abs(target - kept);
end $$;

-- leave_slots: so many slots of a pool are too many: first those that nobody holds, which go at once, then those whose worker is
-- not ready, then idle ones, busy ones last; of equals, those of the host that has most. A worker is never cut off: it ends when
-- its jobs have. Called by: arrange_slots, even_hosts. Writes: pool_slot.
-- host: only slots of this one; NULL = of all.
create function leave_slots(pool text, number int, host text default null) returns void
language plpgsql as $$
#variable_conflict use_variable
declare
    spare int[] := array(
        select s.slot
          from (select s.*, row_number() over (partition by s.host order by s.running > 0 desc, s.slot) as level
                  from slots_of(pool) s where s.leaving is null and (host is null or s.host = host)) s
         order by s.agent_id is null desc, s.ready, s.running > 0, s.level desc, s.slot desc
         limit number);
begin
    delete from pool_slot s where s.pool = pool and s.slot = any (spare) and s.agent_id is null;
    update pool_slot s set leaving = 'drain' where s.pool = pool and s.slot = any (spare);
end $$;

-- slots_of: the slots of a pool, with what their workers have said last.
-- ready: there is a worker of the slot's generation that claims jobs. running: its handlers.
-- Called by: leave_slots, roll_slots, even_hosts. Writes: nothing.
create function slots_of(pool text) returns table (
    slot int, agent_id uuid, host text, generation int, leaving text, ready bool, running int
)
language sql stable as $$
    select s.slot, s.agent_id, a.host, s.generation, s.leaving, w.slot is not null, coalesce(w.running, 0)
      from pool_slot s
      left join agent a on a.id = s.agent_id
      left join (select w.slot, w.generation, sum(w.running)::int as running from worker w
                  where w.pool = slots_of.pool and w.state = 'active' and not w.draining and w.told is null
                    and w.heartbeat_at + w.lease > clock_timestamp()
                  group by w.slot, w.generation) w on w.slot = s.slot and w.generation = s.generation
     where s.pool = slots_of.pool
$$;
