-- maintain: makes the history partitions of the coming week, drops those past retention, prunes what has expired.
-- Called by: every worker, about once a minute; migrate. The only DDL at run time.
-- Writes: job_history (partitions), job_result, rescue_log, worker. Locks: an advisory lock of this install, so one runs at a time;
-- dropping waits at most 50 ms for a partition and leaves it to the next call.
-- Returns false when another worker is at it.
create function maintain() returns bool
language plpgsql security definer set search_path from current set lock_timeout = '50ms' as $$
declare
    keep_days int := (select history_days from setting);
begin
    if not pg_try_advisory_xact_lock(hashtext('pgqueue maintain'), hashtext(current_schema())) then
        return false;
    end if;
    for ahead in 0..7 loop
        perform make_partition((clock_timestamp() at time zone 'UTC')::date + ahead);
    end loop;
    begin
        perform prune(keep_days);
    exception when lock_not_available then null;  -- somebody holds a row: the next call tries again, the partitions stay
    end;
    -- Last, because it locks the whole history until the end of the transaction.
    perform drop_partitions((clock_timestamp() at time zone 'UTC')::date - keep_days);
    return true;
end $$;

-- prune: deletes what has expired outside the partitions. Called by: maintain.
create function prune(keep_days int) returns void
language plpgsql as $$
begin
    delete from job_history_default where finished_at < (select clock_timestamp()) - make_interval(days => keep_days + 1);
    -- The clock as a subselect: bare it is volatile, and no index finds by it.
    -- So many a minute that a call stays short whatever has piled up.
    -- SKIP LOCKED: a result that is being kept for longer, or a key that is being taken again, would else be waited for and
    -- then deleted all the same.
    delete from job_result where job_id in (
        select job_id from job_result where expires_at < (select clock_timestamp()) order by expires_at limit 50000
           for update skip locked);
    delete from unique_hold where unique_key in (
        select unique_key from unique_hold where expires_at < (select clock_timestamp()) order by expires_at limit 50000
           for update skip locked);
    delete from rescue_log where rescued_at < (select clock_timestamp()) - make_interval(days => keep_days);
    delete from worker where state = 'lost' and heartbeat_at < (select clock_timestamp()) - interval '1 day';
end $$;
