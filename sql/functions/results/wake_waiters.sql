-- wake_waiters: notifies processes that wait for results that these jobs are over.
-- Called by: workers, after they have finished jobs and only while a process waits. Writes: nothing.
-- The channel is that of wake-ups with `_done` behind it, so that workers do not hear of results; a payload is a list of ids
-- with commas between them, 390 at most: 390 ids of any length are fewer than the 8000 bytes that a payload may have.
create function wake_waiters(ids bigint[]) returns void
language sql security definer set search_path from current as $$
    select pg_notify(channel() || '_done', string_agg(id::text, ','))
      from unnest(ids) with ordinality as u(id, n) group by (n - 1) / 390
$$;
