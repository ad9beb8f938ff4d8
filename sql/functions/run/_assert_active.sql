-- assert_active: raises PQ002 unless this worker is registered and has kept its lease.
-- Called by: claim, claim_jobs, heartbeat. Writes: nothing. Takes no lock: a claim that commits after its worker was lost leaves
-- jobs running under a lost worker, which is exactly what rescue looks for.
create function assert_active(worker uuid) returns void
language plpgsql as $$
begin
    if not exists (select from worker w where w.id = assert_active.worker and w.state = 'active') then
        raise exception 'worker % is lost: it missed its lease, and its jobs run elsewhere', worker
            using errcode = 'PQ002', hint = 'Drop what it holds and register again under a new id.';
    end if;
end $$;
