-- free_lost_slots: forgets agents whose lease has ended, and frees their slots. A heartbeat in the future was made before the
-- clock was set back; that agent has a lease from now on.
-- Called by: agent_turn, with the row of the pool locked. Writes: agent, pool_slot, pool_event. Locks: lost agents, SKIP LOCKED:
-- a row that is locked is being renewed. Returns how many agents and slots.
create function free_lost_slots(pool text) returns int
language plpgsql as $$
#variable_conflict use_variable
declare
    lost   agent%rowtype;
    number int := 0;
begin
    update agent a set heartbeat_at = clock_timestamp()
     where a.id = any (array(
         select b.id from agent b where b.pool = pool and b.heartbeat_at > clock_timestamp() + interval '1 second'
            for update skip locked));
    for lost in select * from agent a where a.pool = pool and a.heartbeat_at + a.lease < clock_timestamp()
                   for update skip locked loop
        number := number + 1 + release_slots(lost, 'its lease has ended');
        delete from agent a where a.id = lost.id;
        perform note_pool(pool, 'agent_lost', lost.name, null, null, null, jsonb_build_object('host', lost.host));
    end loop;
    return number;
end $$;

-- release_slots: an agent holds nothing any more: slots that it was leaving go, the others are free.
-- Called by: agent_turn, retire_agent, free_lost_slots, with the row of the pool locked. Writes: pool_slot, pool_event. Returns
-- how many it held.
create function release_slots(its agent, reason text) returns int
language plpgsql as $$
declare
    freed int[];
    gone  int[];
begin
    with dropped as (
        delete from pool_slot s where s.agent_id = its.id and s.leaving is not null returning s.slot
    )
    select array_agg(slot) into gone from dropped;
    with released as (
        update pool_slot s set agent_id = null, taken_at = null where s.agent_id = its.id returning s.slot
    )
    select array_agg(slot) into freed from released;
    return note_slots(its.pool, 'freed', its.name, reason,
                      array(select s from unnest(gone || freed) u(s) order by s));
end $$;
