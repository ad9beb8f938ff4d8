-- try_lock: takes a row of `lock` until the end of the transaction; false: another transaction has it. It waits for nobody. A row
-- that this transaction has already is taken again.
-- Called by: run_maintain, sweep_queues, sweep_depths, sample_depths, add_buckets. Writes: nothing. Locks: the row, SKIP LOCKED.
create function try_lock(name text) returns bool
language plpgsql as $$
#variable_conflict use_variable
begin
    perform from lock l where l.name = name for update skip locked;
    return found;
end $$;

-- lock_slot: the row of `lock` that stands for a key. Two keys may have the same one. Called by: add_buckets, lock_schedule.
create function lock_slot(kind text, key text) returns text
language sql immutable as $$ select kind || ' ' || (hashtext(key) & 1023) $$;
