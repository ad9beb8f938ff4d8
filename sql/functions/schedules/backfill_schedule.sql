-- backfill_schedule: makes the jobs of past ticks that have not fired, oldest first, whatever the policies of the schedule.
-- Returns how many; dry_run: how many it would be, and makes none.
-- Called by: operators, applications. Writes: job, schedule_tick, audit_log; see insert_job. Locks: the row of the schedule.
--
-- ticks     at most 10000 times; each fires once, whoever asks again, as long as schedule_tick remembers it: history_days. One
--           that a job stands for (coalesced) fires; one that waits for the job before it (buffered) does not
-- priority  of the jobs; NULL = as the schedule says
-- Raises PQ001 for a time in the future, PQ003 when there is no such schedule, and what enqueue raises.
create function backfill_schedule(
    name text, ticks timestamptz[], dry_run bool default false, priority int default null, by text default null
) returns int
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    its    schedule;
    at     timestamptz := clock_timestamp();
    wanted timestamptz[];
    one    timestamptz;
    made   tick_fired;
    count  int := 0;
begin
    if cardinality(ticks) > 10000 then
        perform invalid('ticks', cardinality(ticks)::text, 'give at most 10000 times in one call');
    end if;
    perform invalid('ticks', t.tick::text, 'give times that have passed')
       from unnest(ticks) as t(tick) where t.tick is null or t.tick not between '0001-01-02' and at;
    its := hold_schedule(name);
    wanted := array(
        select distinct t.tick from unnest(ticks) as t(tick)
         where not exists (select from schedule_tick k
                            where k.schedule = name and k.tick = t.tick and k.outcome in ('fired', 'buffered')) order by 1);
    if dry_run then
        return cardinality(wanted);
    end if;
    foreach one in array wanted loop
        made := make_job(its, one, 1, null, priority);
        if made.outcome = 'fired' then
            made.reason := 'backfill';
            count := count + 1;
        end if;
        perform note_tick(made, at);
    end loop;
    perform audit('backfill_schedule', 'schedule', name, by, null, null, jsonb_build_object(
        'jobs', count, 'priority', priority, 'first', in_utc(wanted[1]), 'last', in_utc(wanted[cardinality(wanted)])));
    return count;
end $$;
