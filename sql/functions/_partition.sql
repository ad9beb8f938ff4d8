-- make_partition: creates the history partition of one UTC day unless it is there.
-- Called by: maintain. It is attached empty; only the default partition is scanned, which is empty too unless maintenance was late.
create function make_partition(day date) returns void
language plpgsql as $$
declare
    name text := 'job_history_' || to_char(day, 'YYYYMMDD');
begin
    if to_regclass(name) is not null then
        return;
    end if;
    execute format('create table %I (like job_history including defaults including constraints)', name);
    -- Rows only arrive here and are dropped whole: freezing once at a million is vacuum enough.
    execute format('alter table %I set (autovacuum_vacuum_insert_threshold = 1000000)', name);
    execute format('alter table job_history attach partition %I for values from (%L) to (%L)',
                   name, day || ' 00:00+00', day + 1 || ' 00:00+00');
exception
    when lock_not_available then null;  -- the next call tries again; until then rows go to the default partition
    when check_violation then null;     -- rows of this day are in the default partition and stay there
end $$;

-- drop_partitions: drops the history partitions of all days before `first_kept`.
-- Called by: maintain.
create function drop_partitions(first_kept date) returns void
language plpgsql as $$
declare
    old text;
begin
    for old in
        select relname from pg_inherits join pg_class on pg_class.oid = inhrelid
         where inhparent = 'job_history'::regclass and relname ~ '^job_history_[0-9]{8}$'
           and to_date(right(relname, 8), 'YYYYMMDD') < first_kept
    loop
        begin
            execute format('drop table %I', old);
        exception when lock_not_available then null;  -- somebody reads it: the next call tries again
        end;
    end loop;
end $$;
