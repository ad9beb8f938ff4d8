-- retire_worker: a worker leaves; what still runs under it is given back, and no attempt counts.
-- Called by: workers at the end of a graceful stop. Writes: job, worker; see count_interruptions. Locks: job rows, SKIP LOCKED;
-- the worker row.
-- started: those of its jobs whose handlers had begun and were cut off, see count_interruptions.
-- Returns the ids given back. A job that is locked just now is left to rescue.
create function retire_worker(worker uuid, started bigint[] default '{}') returns setof bigint
language plpgsql security definer set search_path from current as $$
begin
    if started <> '{}' then
        perform count_interruptions(worker, started);
    end if;
    return query select reconcile(worker, '{}', interval '0');
    delete from worker w where w.id = retire_worker.worker;
end $$;
