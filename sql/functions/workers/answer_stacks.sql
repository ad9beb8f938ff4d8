-- answer_stacks: what a worker that was asked does just now. Called by: workers. Writes: worker_stacks. Locks: that row.
-- stacks: any object, of at most 256 kB; kept for an hour. Returns whether anybody had asked.
-- Raises PQ001 when it is too large or no object.
create function answer_stacks(worker uuid, stacks jsonb) returns bool
language plpgsql security definer set search_path from current set lock_timeout = '5s' as $$
#variable_conflict use_variable
begin
    if jsonb_typeof(stacks) is distinct from 'object' then
        perform invalid('stacks', left(stacks::text, 100), 'give a JSON object');
    end if;
    perform check_size('stacks', stacks, 262144);
    update worker_stacks s set answered_at = clock_timestamp(), stacks = answer_stacks.stacks where s.worker_id = worker;
    return found;
end $$;
