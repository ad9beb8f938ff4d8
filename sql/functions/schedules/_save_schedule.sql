-- save_schedule: stores a definition that was checked. If the times of a schedule change, its next tick is computed from now on:
-- no earlier tick fires any more, not even one that waits for a job, and the change fires none.
-- Called by: set_schedule, declare_schedule, which hold it. Writes: schedule, schedule_tick. old: NULL = a new schedule.
create function save_schedule(name text, old schedule, definition jsonb) returns void
language plpgsql as $$
#variable_conflict use_variable
declare
    at      timestamptz := clock_timestamp();
    retimed bool := schedule_timing(old.definition) is distinct from schedule_timing(definition);
begin
    if old.name is null then
        insert into schedule (name, definition, after_at, look_at) values (name, definition, at, at);
    else
        if retimed and old.paused_at is null and old.next_tick <= at then
            perform skip_tick(name, old.next_tick, 'changed');
        end if;
        if retimed and old.buffered_tick is not null then
            perform skip_tick(name, old.buffered_tick, 'changed');
        end if;
        update schedule s
           set definition = definition, changed_at = at,
               after_at = case when retimed then at else after_at end,
               next_tick = case when not retimed then next_tick end,
               error = case when not retimed then error end,
               buffered_tick = case when not retimed then buffered_tick end,
               buffered_for = case when not retimed then buffered_for end,
               look_at = case when retimed and paused_at is null then at else look_at end
         where s.name = name;
    end if;
    perform wake('!schedules');
end $$;

-- skip_tick: records a due tick for which no job is made. Called by: save_schedule, pause_schedule, resume_schedule,
-- delete_schedule. Writes: schedule_tick.
create function skip_tick(schedule text, tick timestamptz, reason text) returns void
language sql as $$
    insert into schedule_tick as t (schedule, tick, outcome, reason, fired_at)
    values (schedule, tick, 'skipped', reason, clock_timestamp())
    on conflict on constraint schedule_tick_pkey do update
       set outcome = excluded.outcome, reason = excluded.reason, fired_at = excluded.fired_at where t.outcome = 'buffered'
$$;

-- lock_schedule: lets one transaction at a time change a schedule, whether it exists or not.
-- Called by: set_schedule, declare_schedule, delete_schedule. Locks: the row of `lock` of the name, which it may share with other
-- names: so a transaction that changes several schedules can deadlock with another one, which PostgreSQL ends after a second.
create function lock_schedule(name text) returns void
language plpgsql as $$
#variable_conflict use_variable
begin
    perform from lock l where l.name = lock_slot('schedule', name) for update;
end $$;

-- hold_schedule: locks the row of a schedule, waiting for a worker that fires it, and returns it. Raises PQ003 when there is
-- none.
-- Called by: the verbs for one schedule. Writes: nothing. Locks: the row.
create function hold_schedule(name text) returns schedule
language plpgsql as $$
#variable_conflict use_variable
declare
    its schedule;
begin
    select * into its from schedule s where s.name = name for no key update;
    if not found then
        raise exception 'name: there is no schedule %; there are: %', coalesce(quote_literal(left(name, 200)), 'NULL'),
            coalesce((select string_agg(l.name, ', ' order by l.name) from (select s.name from schedule s order by 1 limit 20) l),
                     'none') using errcode = 'PQ003', column = 'name';
    end if;
    return its;
end $$;
