-- has_work: whether anything in these queues is ready or running; scheduled jobs do not count.
-- Called by: workers in burst mode, which end when it is false. Writes: nothing.
create function has_work(queues text[]) returns bool
language sql stable set search_path from current as $$
    select exists (select from job where queue = any (queues) and state in ('ready', 'running'))
$$;
