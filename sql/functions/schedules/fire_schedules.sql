-- fire_schedules: lets due ticks fire: makes their jobs, records what became of each tick, and advances the schedules. A row for
-- each tick that this call has decided.
-- Called by: workers, after due_schedules. Writes: job, schedule, schedule_tick; see insert_job. Locks: rows of schedules, SKIP
-- LOCKED, in the order of their names; then what an enqueue locks, 200 ms at most each.
--
-- fires: an array of schedule_fire: what the worker has seen of a schedule, and what it has computed from that. The stored
-- next_tick is the arbiter: if the row is not as the worker has seen it, another one was faster, and there is no row for it in
-- the answer. So each tick fires once, whatever the libraries of the workers compute. Only the clock of the database says what is
-- due. A schedule that raises, or waits for a lock, holds up no other: its tick is decided later, and its error says why. Raises
-- only errors that no schedule has caused, such as a full disk. After half a second the rest is left to the next call.
create function fire_schedules(fires jsonb)
returns table (name text, tick timestamptz, outcome tick_outcome, reason text, job_id bigint, stands_for int)
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off set lock_timeout = '200ms' as $$
#variable_conflict use_column
declare
    began   timestamptz := clock_timestamp();
    held    text[];
    seen    schedule_fire[];
    decided tick_fired[];
    one     schedule_fire;
begin
    if jsonb_typeof(fires) is distinct from 'array' or jsonb_path_exists(fires, 'strict $[*] ? (@.type() != "object")') then
        perform invalid('fires', fires::text, 'give a JSON array of objects with what due_schedules has returned');
    end if;
    held := array(select s.name from schedule s
                   where s.name = any (array(select f->>'name' from jsonb_array_elements(fires) f))
                   order by s.name for no key update skip locked);
    seen := array(select f  -- after the locks: what another call has decided is seen here
                    from (select distinct on (f.name) f.* from jsonb_populate_recordset(null::schedule_fire, fires) f) f
                    join schedule s on s.name = f.name
                   where s.name = any (held) and s.paused_at is null
                     and s.next_tick is not distinct from f.next_tick and s.after_at = f.after_at
                   order by s.name);
    begin
        decided := fire_together(seen);
    exception when others then
        decided := '{}';  -- one of them raises; it is found below
    end;
    held := array(select d.name from unnest(decided) d);
    foreach one in array seen loop
        continue when one.name = any (held);
        exit when clock_timestamp() > began + interval '0.5 s';
        begin
            decided := decided || fire_one(one, clock_timestamp());
        exception
            when lock_not_available or transaction_rollback then
                update schedule s set look_at = clock_timestamp() + interval '1 s' where s.name = one.name;
            when insufficient_resources or operator_intervention or system_error or internal_error then
                raise;
            when others then
                update schedule s set error = left(sqlerrm, 500), look_at = clock_timestamp() + interval '1 min'
                 where s.name = one.name;
        end;
    end loop;
    return query select d.name, d.tick, d.outcome, d.reason, d.job_id, d.stands_for from unnest(decided) d;
end $$;
