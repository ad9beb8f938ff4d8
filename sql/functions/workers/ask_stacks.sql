-- ask_stacks: asks a worker what all of its threads, tasks and processes do just now; see answer_stacks. Asking again asks anew.
-- Called by: operators. Writes: worker_stacks; what was answered before stays until the next answer. Locks: that row.
-- by: who asks; the user of the session by default. Returns when it was asked.
-- The payload can be no queue's name. A worker that does not hear it is told with its next heartbeat.
-- Raises PQ003 when there is no such worker, PQ004 when it cannot answer.
create function ask_stacks(worker uuid, by text default null) returns timestamptz
language plpgsql security definer set search_path from current set lock_timeout = '5s' as $$
#variable_conflict use_variable
declare
    its record;
    at  timestamptz := clock_timestamp();
begin
    select w.state, w.wake_mode, w.heartbeat_at + w.lease < at as is_late into its from worker w where w.id = worker;
    if not found then
        raise exception 'worker_id: there is no worker %; it never registered, has left, or is no longer kept', worker
            using errcode = 'PQ003';
    elsif its.state = 'lost' or its.is_late then
        raise exception 'worker_id: worker % has missed its lease and does not answer; on its machine kill -USR1 makes it '
            'write its stacks to its stderr', worker using errcode = 'PQ004';
    elsif its.wake_mode = 'http' then
        raise exception 'worker_id: worker % is one over HTTP, which cannot be asked for its stacks', worker
            using errcode = 'PQ004';
    end if;
    insert into worker_stacks (worker_id, asked_at, asked_by) values (worker, at, check_by(by))
    on conflict (worker_id) do update set asked_at = excluded.asked_at, asked_by = excluded.asked_by;
    perform wake('!stacks ' || worker);
    return at;
end $$;
