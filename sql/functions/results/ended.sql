-- ended: those of these jobs that are not live any more, whatever became of them; ids that do not exist are among them.
-- Called by: callers that wait for many jobs. Writes: nothing. Locks: none.
create function ended(job_ids bigint[]) returns setof bigint
-- Pinned, with "offset 0": one look by primary key for each id, however many there are and whatever a cached plan believes.
language sql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
    select u.id from unnest(job_ids) u (id) where not exists (select from job j where j.id = u.id offset 0)
$$;
