-- ask_results: tells the workers that a process waits for results; for 15 s they call wake_waiters for jobs that end.
-- Called by: processes that wait, every 5 s. Writes: nothing. The payload can be no queue's name.
create function ask_results() returns void
language sql security definer set search_path from current as $$
    select wake('!results')
$$;
