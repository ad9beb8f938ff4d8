-- tell_worker: tells a worker to end once its handlers have, however long they take; it claims nothing more from then on.
-- With restart, whoever looks after its process starts another one: its supervisor, its agent, systemd or Kubernetes.
-- Called by: operators. Writes: worker, audit_log. Locks: the worker row.
-- what: drain or restart. by: who tells it; the user of the session by default. Returns whether it was not told so before.
-- The payload can be no queue's name. A worker that does not hear it is told with its next heartbeat.
-- Raises PQ001 when an argument is invalid, PQ003 when there is no such worker, PQ004 when it does not listen.
create function tell_worker(worker uuid, what text, by text default null) returns bool
language plpgsql security definer set search_path from current set lock_timeout = '5s' as $$
#variable_conflict use_variable
declare
    its record;
begin
    if (what in ('drain', 'restart')) is not true then
        perform invalid('what', what, 'use drain or restart');
    end if;
    select w.state, w.wake_mode, w.told, w.heartbeat_at + w.lease < clock_timestamp() as is_late into its
      from worker w where w.id = worker for update;
    if not found then
        raise exception 'worker_id: there is no worker %; it never registered, has left, or is no longer kept', worker
            using errcode = 'PQ003';
    elsif its.state = 'lost' or its.is_late then
        raise exception 'worker_id: worker % has missed its lease and hears nothing; end its process on its machine', worker
            using errcode = 'PQ004';
    elsif its.wake_mode = 'http' then
        raise exception 'worker_id: worker % is one over HTTP, which cannot be told; end its process on its machine', worker
            using errcode = 'PQ004';
    end if;
    perform audit('tell_worker', 'worker', worker::text, by, null, jsonb_build_object('told', its.told),
                  jsonb_build_object('told', what));
    update worker w set told = what where w.id = worker;
    perform wake('!told ' || worker);
    return its.told is distinct from what;
end $$;
