-- agent_turn: an agent renews its lease, and is told which slots it holds and what is to become of them. There is no leader: the
-- turn of any agent makes the slots of the pool as many as are wanted, frees those of lost agents and moves a roll on.
-- Called by: agents every third of their lease, when the pool has changed (`!pool NAME` on the channel), and when one of their
-- workers has become ready or has ended. Writes: agent, pool_slot, pool_event; a pool that is deleting goes with its last slot.
-- Locks: the agent's row; the pool's row SKIP LOCKED, then the slots and lost agents. While somebody else has the pool, the lease
-- is renewed and the slots stay as they are: a transaction that is left open stops changes of the pool, and no worker.
--
-- ended: slots that it was told to leave, and whose worker has ended: they go.
-- occupied: places that it needs for workers without a slot, which still end.
-- trouble: why its workers do not start, in words; kept as an event of the pool; NULL = they do.
-- draining: it takes no more slots, and those it has are free at once for others.
-- Returns what its workers are to be started with, slots as [{"slot", "generation", "leaving"}, ...], and
-- look_after: after how many seconds the next turn is due at the latest, because an agent may be lost then; NULL = whenever its
-- own lease asks for it. held_up: somebody else has the pool, so look again soon, with growing pauses.
-- Raises PQ002 when its lease has ended: then its slots may be those of others, and it must register anew.
create function agent_turn(
    agent uuid, ended int[] default '{}', occupied int default 0, draining bool default false, trouble text default null
) returns table (
    app text, queues text[], concurrency int, autoscale bool, deleting bool, look_after float8, held_up bool, slots jsonb
)
language plpgsql security definer set search_path from current set lock_timeout = '5s' as $$
#variable_conflict use_variable
declare
    me  agent%rowtype;
    its pool%rowtype;
begin
    me := renew_agent(agent, occupied, draining);
    perform note_trouble(me, trouble);
    select * into its from pool p where p.name = me.pool for no key update skip locked;
    held_up := its.name is null;
    if not held_up then
        if put_in_order(its, me, ended) > 0 then
            perform tell_agents(its.name);
        end if;
        if its.deleting then
            perform end_pool(its.name);
        end if;
        look_after := (select extract(epoch from min(a.heartbeat_at + a.lease) - clock_timestamp()) from agent a
                        where a.pool = its.name and a.id <> agent);
    else
        select * into its from pool p where p.name = me.pool;
    end if;
    app := its.app; queues := its.queues; concurrency := its.concurrency;
    autoscale := its.autoscale; deleting := its.deleting;
    slots := coalesce((select jsonb_agg(jsonb_build_object('slot', s.slot, 'generation', s.generation, 'leaving', s.leaving)
                                        order by s.slot)
                         from pool_slot s where s.pool = me.pool and s.agent_id = agent), '[]');
    return next;
end $$;

-- put_in_order: what a turn does for the whole pool. Called by: agent_turn, with the row of the pool locked. Writes: agent,
-- pool_slot, pool_event. Returns how much of it concerns other agents too.
create function put_in_order(its pool, me agent, ended int[]) returns int
language plpgsql as $$
declare
    changed int := drop_ended(me, ended);
begin
    if me.draining then
        changed := changed + release_slots(me, 'it stops');
    end if;
    changed := changed + free_lost_slots(its.name);
    changed := changed + even_hosts(its, me.name);
    changed := changed + arrange_slots(its);
    perform take_slots(its, me);
    return changed + roll_slots(its, me.name);
end $$;

-- renew_agent: its lease begins anew, unless it has ended: whether others have noticed does not matter, so that whoever finds an
-- ended lease may act on it. Called by: agent_turn. Writes: agent. Locks: its row. Raises PQ001, PQ002.
create function renew_agent(agent uuid, occupied int, draining bool) returns agent
language plpgsql as $$
#variable_conflict use_variable
declare
    me agent%rowtype;
begin
    if (occupied between 0 and 100000) is not true then
        perform invalid('occupied', occupied::text, 'use 0 to 100000');
    end if;
    update agent a set heartbeat_at = clock_timestamp(), occupied = occupied, draining = a.draining or coalesce(draining, false)
     where a.id = agent and a.heartbeat_at + a.lease > clock_timestamp()
    returning * into me;
    if me.id is null then
        raise exception 'agent: % is not known, or its lease has ended; register it under a new id', agent
            using errcode = 'PQ002', column = 'agent';
    end if;
    return me;
end $$;

-- note_trouble: keeps why workers of an agent do not start: once, and every five minutes while it lasts; see diagnose_pools.
-- Called by: agent_turn. Writes: pool_event. The reason is cut at 500 characters.
create function note_trouble(me agent, trouble text) returns void
language plpgsql as $$
begin
    if trouble is not null and not exists (
           select from pool_event e
            where e.pool = me.pool and e.at > clock_timestamp() - interval '5 minutes' and e.kind = 'cannot_start'
              and e.by = me.name and e.reason = left(trouble, 500)) then
        perform note_pool(me.pool, 'cannot_start', me.name, null, null, left(trouble, 500), jsonb_build_object('host', me.host));
    end if;
end $$;

-- drop_ended: the slots that this agent was told to leave and has left. Called by: agent_turn. Writes: pool_slot, pool_event.
-- Returns how many.
create function drop_ended(me agent, ended int[]) returns int
language plpgsql as $$
declare
    gone int[];
begin
    with dropped as (
        delete from pool_slot s where s.agent_id = me.id and s.leaving is not null and s.slot = any (ended) returning s.slot
    )
    select array_agg(slot order by slot) into gone from dropped;
    return note_slots(me.pool, 'freed', me.name, 'left', gone);
end $$;

-- note_slots: one event about these slots, and their number; none for none. Called by: functions of pools. Writes: pool_event.
create function note_slots(pool text, kind text, by text, reason text, slots int[]) returns int
language plpgsql as $$
begin
    if cardinality(slots) > 0 then
        perform note_pool(pool, kind, by, null, null, reason,
                          jsonb_build_object('slots', slots[1:100], 'number', cardinality(slots)));
    end if;
    return coalesce(cardinality(slots), 0);
end $$;
