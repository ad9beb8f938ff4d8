-- stacks_wanted: whether somebody has asked for the stacks of this worker and has no answer yet. Called by: workers that do not
-- hear notifications, with each heartbeat. Writes: nothing.
create function stacks_wanted(worker uuid) returns bool
language sql stable security definer set search_path from current as $$
    select exists (select from worker_stacks s
                    where s.worker_id = stacks_wanted.worker and (s.answered_at is null or s.answered_at < s.asked_at))
$$;
