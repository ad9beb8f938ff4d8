-- mark_lost: declares workers lost that have missed their lease. It commits before rescue takes their jobs, so that a
-- worker which wakes up late is refused from then on.
-- A heartbeat in the future was made before the clock was set back; that worker has a lease from now on, and not until that time.
-- Called by: every worker, just before rescue, in a transaction of its own. Writes: worker; see follow_clock.
-- Locks: worker rows, SKIP LOCKED: a row that is locked is being renewed. Returns how many were lost.
create function mark_lost() returns int
language plpgsql security definer set search_path from current as $$
declare
    lost int;
begin
    perform follow_clock();
    update worker set heartbeat_at = clock_timestamp()
     where id = any (array(
         select id from worker where state = 'active' and heartbeat_at > clock_timestamp() + interval '1 second'
            for update skip locked));
    with late as (
        select id from worker where state = 'active' and heartbeat_at + lease < clock_timestamp() for update skip locked
    )
    update worker w set state = 'lost' from late where w.id = late.id;
    get diagnostics lost = row_count;
    return lost;
end $$;
