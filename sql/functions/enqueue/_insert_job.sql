-- insert_job: adds one job, or finds the one that stands in its way. Returns its id, whether it was there before, and when it is
-- due: NULL when nothing was changed. stored: what is stored as it is, see stored_options.
-- Called by: enqueue, enqueue_plain, insert_each, insert_element, insert_nodes_singly, which wake the workers.
-- blocked: it has parents to wait for.
-- Writes: job, unique_hold, turn.
-- Locks: nothing shared unless the job is unique, see insert_unique.
create function insert_job(
    task text, args jsonb, queue text, priority int, run_at timestamptz, run_after interval,
    retries int, stored stored_options, unique_mode text, unique_key text, unique_period interval,
    given limiting, workflow_id bigint, blocked bool, out id bigint, out duplicate bool, out due timestamptz
)
language plpgsql as $$
#variable_conflict use_variable
declare
    its_state job_state;
    keys      text[];
    lane      uuid;
    its_bytes int;
begin
    due := check_enqueue(task, queue, priority, run_at, run_after, retries, stored);
    if stored.terms is not null or stored.expires_at is not null then
        stored := with_ends(stored, due);
    end if;
    if jsonb_typeof(args) is distinct from 'object' or octet_length(args::text) > 16384 then
        its_bytes := large_bytes(args);
        perform check_args(args);
    end if;
    if not (given is null) then
        perform check_limits(given);
        keys := limit_keys(given, args);
        lane := lane_of(queue, keys);
    end if;
    if blocked and unique_mode = 'replace' then
        perform invalid('unique_mode', unique_mode, 'a job that waits for others cannot replace one; use until_started');
    end if;
    id := nextval('job_id_seq');
    duplicate := false;
    its_state := case when blocked then 'blocked' else state_at(due) end;
    if unique_mode is null and unique_key is null and unique_period is null then
        insert into new_job overriding system value
        values (stored.*, due, clock_timestamp(), its_state, priority, coalesce(retries, 3) + 1, queue, task, args,
                its_bytes, id, workflow_id, keys, lane, nullif(given.cost, 1));
    else
        select u.id, u.duplicate, u.due into id, duplicate, due
          from insert_unique(row(stored.*, due, clock_timestamp(), its_state, priority, coalesce(retries, 3) + 1, queue, task,
                                 args, its_bytes, id, workflow_id, keys, lane, nullif(given.cost, 1), null, null)::new_job,
                             unique_mode, unique_key, unique_period) u;
    end if;
    if lane is not null and its_state = 'ready' and due is not null then
        if duplicate then  -- that job has its own queue
            perform take_turns(array[id]);
        else
            perform take_turn(queue, lane, keys, due);
        end if;
    end if;
end $$;
