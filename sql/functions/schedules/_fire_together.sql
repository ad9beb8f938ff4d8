-- fire_together: fires the schedules of which one tick is due and whose job needs nothing but a row, with one statement for each
-- table.
-- Returns what became of the ticks; the others are left to fire_one. Raises if one of them raises.
-- Called by: fire_schedules, which holds them and has compared them. Writes: job, schedule, schedule_tick.
create function fire_together(seen schedule_fire[]) returns tick_fired[]
language plpgsql as $$
#variable_conflict use_variable
declare
    at    timestamptz := clock_timestamp();
    due   record;
    ids   bigint[];
begin
    select array_agg(d.name) as names, array_agg(d.tick) as ticks, array_agg(d.next) as nexts, jsonb_agg(d.element) as elements
      into due
      from (select f.name, f.next_tick as tick, f.next,
                   tick_element(s, f.next_tick, 1,
                                f.next_tick + jitter_of(s.name, f.next_tick, (s.definition->>'jitter')::float8), null) as element
              from unnest(seen) f join schedule s on s.name = f.name
             where f.next_tick <= at and f.ticks = array[f.next_tick] and coalesce(f.older, 0) = 0 and f.error is null
               and coalesce(f.next > f.next_tick, true) and s.buffered_tick is null and not s.definition ? 'overlap'
               and f.next_tick >= at - interval '60 s' and is_plain(s.definition->'job')
               and coalesce((s.definition->>'window')::float8, 86400) >= 60
               and not exists (select from schedule_tick k where k.schedule = f.name and k.tick = f.next_tick)
             order by f.name) d;
    if due.names is null then
        return '{}';
    end if;
    ids := insert_plain_nodes(null, due.elements);
    insert into schedule_tick (schedule, tick, outcome, job_id, fired_at)
    select u.name, u.tick, 'fired', u.id, at from unnest(due.names, due.ticks, ids) as u(name, tick, id);
    update schedule s
       set after_at = u.tick, next_tick = u.next, look_at = u.next, error = null,
           last_job_id = u.id, last_tick = u.tick, last_outcome = 'fired', last_reason = null
      from unnest(due.names, due.ticks, due.nexts, ids) as u(name, tick, next, id) where s.name = u.name;
    return array(select row(u.name, u.tick, 'fired', null, u.id, 1)::tick_fired
                   from unnest(due.names, due.ticks, ids) as u(name, tick, id));
end $$;

-- is_plain: whether a job needs nothing but a row: neither a key nor a lane nor a time at which it ends.
-- Called by: fire_together. Writes: nothing.
create function is_plain(job jsonb) returns bool
language sql immutable as $$
    select not job ?| '{unique_mode,unique_key,unique_period,limits,fair,cost,expires_after,total_timeout}'
$$;
