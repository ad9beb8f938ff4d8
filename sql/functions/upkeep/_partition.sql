-- make_partitions: the history partitions of today and the week ahead. Returns false when one is still missing.
-- Called by: run_maintain. Locks: see make_partition.
-- A week ahead, so that there are ten thousand moments in which a day can be added. When fewer than two days are left, it says
-- so, once an hour, and waits longer for a lock: a second at most, in which others who read the history wait, too. Workers do
-- not.
create function make_partitions(today date) returns bool
language plpgsql as $$
declare
    made bool;
    days int := days_ahead(today);
begin
    if days < 2 then
        perform set_config('lock_timeout', '1s', true);
    end if;
    for ahead in 0..7 loop
        made := make_partition(today + ahead);
        exit when not made;  -- the others want the same lock
    end loop;
    perform set_config('lock_timeout', '50ms', true);
    days := days_ahead(today);
    if days < 2 then
        update upkeep set warned_at = clock_timestamp()
         where warned_at not between clock_timestamp() - interval '1 hour' and clock_timestamp();
        if found then
            raise warning
                'job_history has partitions for % of the next 7 days: what reads it without a pause keeps new ones from being '
                'added; rows without one go to job_history_default. See the view upkeep_status', days;
        end if;
    end if;
    return made;
end $$;

-- days_ahead: for how many of the next 7 days there is a partition. Called by: make_partitions, run_maintain. Writes: nothing.
create function days_ahead(today date) returns int
language sql stable as $$
    select count(to_regclass('job_history_' || to_char(today + ahead, 'YYYYMMDD')))::int from generate_series(1, 7) ahead
$$;

-- make_partition: creates the history partition of one UTC day unless it is there. Returns false when that must be tried again.
-- Called by: make_partitions. It is attached empty; only the default partition is scanned, which is empty too unless maintenance
-- was late.
-- Locks: job_history against other DDL only; job_history_default against readers, of which every query of the whole history is
-- one, until the end of the transaction. The default partition is taken first, alone, and waited for as long as lock_timeout
-- says: finishing jobs does not need it and is not blocked.
create function make_partition(day date) returns bool
language plpgsql as $$
declare
    name text := 'job_history_' || to_char(day, 'YYYYMMDD');
begin
    if to_regclass(name) is not null then
        return true;
    end if;
    lock table job_history_default in access exclusive mode;
    execute format('create table %I (like job_history including defaults including constraints)', name);
    perform take_from_others(to_regclass(name));
    -- Rows only arrive here and are dropped whole: freezing once at a million is vacuum enough.
    execute format('alter table %I set (autovacuum_vacuum_insert_threshold = 1000000)', name);
    execute format('alter table job_history attach partition %I for values from (%L) to (%L)',
                   name, day || ' 00:00+00', day + 1 || ' 00:00+00');
    return true;
exception
    when lock_not_available then return false;  -- until then rows go to the default partition
    when check_violation then return true;      -- rows of this day are in the default partition and stay there
end $$;

-- drop_partitions: drops the history partitions of all days before `first_kept`. Returns false when one is left.
-- Called by: run_maintain. Locks: job_history, for lock_timeout at most, until the end of the transaction.
create function drop_partitions(first_kept date) returns bool
language plpgsql as $$
declare
    old text;
begin
    for old in select name from partitions_before(first_kept) loop
        begin
            execute format('drop table %I', old);
        exception when lock_not_available then return false;  -- it is being read, and so are the others
        end;
    end loop;
    return true;
end $$;

-- partitions_before: the history partitions of all days before this one. Called by: drop_partitions, empty_partitions. Writes:
-- nothing.
create function partitions_before(day date) returns table (name text, of_day date)
language sql stable as $$
    select relname, to_date(right(relname, 8), 'YYYYMMDD')
      from pg_inherits join pg_class on pg_class.oid = inhrelid
     where inhparent = 'job_history'::regclass and relname ~ '^job_history_[0-9]{8}$'
       and to_date(right(relname, 8), 'YYYYMMDD') < day
     order by 2
$$;

-- empty_partitions: deletes the rows of partitions that could not be dropped for an hour, so that retention does not depend on
-- readers. So many rows a call; returns whether there is more. Called by: run_maintain. Locks: no reader waits for it, and it for
-- none.
create function empty_partitions(first_kept date, most int default 50000) returns bool
language plpgsql as $$
declare
    old  text;
    gone int;
begin
    for old in
        select name from partitions_before(first_kept)
         where of_day < first_kept - 1 or (clock_timestamp() at time zone 'UTC')::time > '01:00'
    loop
        execute format('delete from %1$I where ctid = any (array(select ctid from %1$I limit $1))', old) using most;
        get diagnostics gone = row_count;
        if gone > 0 then
            return true;
        end if;
    end loop;
    return false;
exception when lock_not_available then return false;  -- a row is locked
end $$;
