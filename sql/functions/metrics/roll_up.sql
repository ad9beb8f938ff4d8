-- roll_up: brings the roll-ups up to the last minute that is closed, 10 s after its end. Called by: each worker, again after as
-- many seconds as it returns; 0.1 when there is more to do. maintain, before it drops what is not rolled up yet.
-- Writes: metric_minute, metric_hour, metric_day, metric_total, metric_depth, metric_sample, unkept_end, roll_up_state.
-- Locks: the row of roll_up_state, SKIP LOCKED, so one is at it and none waits; nothing that other statements wait for.
-- It takes about a second: what is left is done by the next call. A minute is always done whole.
-- An hour is closed a minute after its end, and a day an hour after: each of its minutes is counted again by the index alone, and
-- rolled up again if rows of it were committed since. After the clock was set back it goes on from there: minutes that it meets
-- again are written anew.
create function roll_up() returns float8
language plpgsql security definer set search_path from current set jit = off as $$
declare
    closed timestamptz := date_bin('1 minute', clock_timestamp() - interval '10 s', '2000-01-01Z');
    more   bool := roll_up_to(closed);
begin
    return case when more then 0.1 when more is null then 5
                else extract(epoch from closed + interval '70 s' - clock_timestamp()) end;
end $$;

-- roll_up_to: rolls up what ended before this time. Returns whether there is more to do; NULL = another transaction is at it.
-- Called by: roll_up. Writes, locks: see there.
-- In UTC: in a time zone with summer time a day more is not always 24 hours.
create function roll_up_to(closed timestamptz) returns bool
language plpgsql set timezone = 'UTC' as $$
declare
    began timestamptz := clock_timestamp();
    its   roll_up_state%rowtype;
    did   roll_up_state%rowtype;
begin
    select * into its from roll_up_state for update skip locked;
    if not found then
        return null;
    end if;
    did := begun(its, closed);
    while clock_timestamp() < began + interval '0.8 s' and (did.minute_at < closed or has_unclosed(did)) loop
        did := roll_up_step(did, closed);
    end loop;
    if did is distinct from its then
        update roll_up_state set (minute_at, check_at, hour_at, recheck_at, day_at, rolled_at)
            = row(did.minute_at, did.check_at, did.hour_at, did.recheck_at, did.day_at, clock_timestamp());
    end if;
    return did.minute_at < closed or has_unclosed(did);
end $$;
