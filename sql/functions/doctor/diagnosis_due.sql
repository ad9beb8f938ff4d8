-- diagnosis_due: whether this worker is to examine the install now: 0, or the seconds until somebody is. Also notes whether the
-- clock of its machine is that of the database, within 2 s.
-- Called by: each worker, again after as many seconds as it returns. Writes: diagnosis, worker_clock. Locks: the row of
-- diagnosis, SKIP LOCKED: no worker waits for another. If the one whose turn it is dies, the next turn is another one's. A turn
-- that is too far ahead, after the clock was set back, counts as due.
-- clock: what the worker's machine says that the time is
create function diagnosis_due(worker uuid, clock timestamptz, every interval default '45 s') returns float8
language plpgsql security definer set search_path from current as $$
#variable_conflict use_column
declare
    now_  timestamptz := clock_timestamp();
    ahead float8 := extract(epoch from diagnosis_due.clock - now_);
begin
    if abs(ahead) > 2 then
        insert into worker_clock values (worker, ahead, now_)
            on conflict (worker_id) do update set ahead = excluded.ahead, noted_at = excluded.noted_at;
    else
        delete from worker_clock where worker_id = worker;
    end if;
    update diagnosis set next_at = now_ + every
     where singleton = any (array(
         select singleton from diagnosis where next_at <= now_ or next_at > now_ + 2 * every for no key update skip locked));
    if found then
        return 0;
    end if;
    return (select greatest(extract(epoch from greatest(next_at, now_) - now_), 0.1)::float8 from diagnosis);
end $$;
