-- follow_clock: notices that the clock was set back, and corrects what was counted from the old one: a wait that the queue has
-- measured itself (a retry, a snooze, a parked key, a key of mode period, a cancel by force) begins anew, and jobs that are ready
-- keep their place before later ones. A run_at that was given stays: it is a time and no length. So does the next tick of a
-- schedule. Turns and buckets notice by themselves; an operation that is paced goes on at once.
-- Called by: mark_lost. Writes: clock, job, job_signal, parking, unique_hold, forced_cancel, schedule, operation. Locks: the row
-- of clock and those it changes, SKIP LOCKED. So many rows a call that it stays short; until none are left, the clock's row keeps
-- the time by which the step is seen.
-- It reads whatever is due later, or ready: an index for a step that comes once in years would cost every retry and snooze.
create function follow_clock(at_most int default 10000) returns void
language plpgsql as $$
declare
    seen  timestamptz;
    now_  timestamptz;
    ahead timestamptz;
    moved int;
    most  int := 0;
begin
    select seen_at into seen from clock for no key update skip locked;
    now_ := clock_timestamp();  -- after the lock: another session's time is not taken for a step
    ahead := now_ + interval '1 second';
    if seen is null or seen <= ahead then
        update clock set seen_at = now_ where seen < now_;
        return;
    end if;
    update job set run_at = now_ + (run_at - put_off_at), put_off_at = now_,
                   control = case when control->'waits_for'->'until' <> 'null'
                                  then jsonb_set(control, '{waits_for,until}', to_jsonb(in_utc(now_ + (run_at - put_off_at))))
                                  else control end
     where id = any (array(  -- an array: a subselect of IN may be read again for each row, and locks other rows each time
         select id from job  -- run_at, for the index of promote: it is not before put_off_at
          where state = 'scheduled' and run_at > ahead and put_off_at > ahead limit at_most for no key update skip locked));
    get diagnostics moved = row_count;
    most := greatest(most, moved);
    update job set run_at = least(run_at - (seen - now_), now_)
     where id = any (array(
         select id from job where state = 'ready' and run_at > ahead limit at_most for no key update skip locked));
    get diagnostics moved = row_count;
    most := greatest(most, moved);
    update unique_hold set expires_at = now_ + (expires_at - held_at), held_at = now_
     where unique_key = any (array(
         select unique_key from unique_hold where expires_at > ahead and held_at > ahead limit at_most for update skip locked));
    get diagnostics moved = row_count;
    most := greatest(most, moved);
    update job_signal set until = now_ + (until - waited_at), waited_at = now_
     where ctid = any (array(
         select ctid from job_signal where waited_at > ahead and ended_at is null limit at_most
            for no key update skip locked));
    get diagnostics moved = row_count;
    most := greatest(most, moved);
    update parking set until = now_ + (until - parked_at), parked_at = now_
     where ctid = any (array(select ctid from parking where parked_at > ahead for no key update skip locked));
    update forced_cancel set at = now_ + (at - asked_at), asked_at = now_
     where job_id = any (array(select job_id from forced_cancel where asked_at > ahead for no key update skip locked));
    update schedule set look_at = now_
     where name = any (array(
         select name from schedule where look_at > ahead and look_at is distinct from next_tick for no key update skip locked));
    update operation set next_at = now_
     where id = any (array(
         select id from operation where finished_at is null and next_at > ahead for no key update skip locked));
    insert into parking (key, until) values ('', now_);  -- for sweep_lanes, see open_limit
    if most < at_most then
        update clock set seen_at = now_;
    end if;
end $$;
