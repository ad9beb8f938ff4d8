-- has_work: whether anything in these queues is ready or running; scheduled jobs do not count.
-- Called by: workers in burst mode, which end when it is false. Writes: nothing.
-- Each question has the predicate of the index that answers it. Jobs that wait for a limit count: they will run.
create function has_work(queues text[]) returns bool
language sql stable security definer set search_path from current set enable_seqscan = off set enable_bitmapscan = off as $$
    select exists (select from job where queue = any (queues) and state = 'ready' and rescues < 2 and lane_id is null)
        or exists (select from job where queue = any (queues) and state = 'running')
        or exists (select from job where queue = any (queues) and state = 'ready' and rescues >= 2)
        or exists (select from job where queue = any (queues) and state = 'ready' and lane_id is not null)
$$;
