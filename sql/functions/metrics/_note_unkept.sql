-- note_unkept: remembers ends of which no row stays, for roll_up: one row for those that ended alike in the same minute.
-- Called by: finish_ended, finish_unended, cancel_held, end_waiting, drop_oldest, for queues that keep no history; run_again,
-- discard, prune_dead and restore_skipped, for rows that go. Writes: unkept_end.
create function note_unkept(ends job_end[]) returns void
language sql as $$
    insert into unkept_end (minute, queue, task, state, priority, jobs, created_before, failed_attempts, seconds, wait_seconds,
                            durations, waits)
    select minute, queue, task, state, priority, count(*), count(*) filter (where created_at < minute),
           coalesce(sum(failed_attempts(state, attempt, claimed_at, control)), 0),
           coalesce(sum(least(greatest(elapsed, 0), 1e9)), 0), coalesce(sum(waited(run_at, created_at, claimed_at)), 0),
           array_agg(bucket_of(elapsed)), array_agg(bucket_of(waited(run_at, created_at, claimed_at)))
      from unnest(ends) e, lateral (select date_bin('1 minute', ended_at, '2000-01-01Z') as minute) m
     group by minute, queue, task, state, priority
$$;
