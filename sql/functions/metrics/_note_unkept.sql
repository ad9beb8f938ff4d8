-- note_unkept: remembers ends of which no row stays, for roll_up. Called by: finish_ended, cancel_held, end_waiting, drop_oldest,
-- for queues that keep no history. Writes: unkept_end.
create function note_unkept(ends job_end[]) returns void
language sql as $$
    insert into unkept_end select * from unkept_rows(ends)
$$;

-- unkept_rows: a row for those ends that are alike and in the same minute. Called by: note_unkept, finish_unended, note_gone.
-- Writes: nothing.
create function unkept_rows(ends job_end[]) returns setof unkept_end
language sql stable as $$
    select minute, queue, task, state, priority, count(*), count(*) filter (where created_at < minute),
           coalesce(sum(failed_attempts(state, attempt, claimed_at, control)), 0),
           coalesce(sum(seconds_in(elapsed)), 0), coalesce(sum(waited(run_at, created_at, claimed_at)), 0),
           array_agg(bucket_of(elapsed)), array_agg(bucket_of(waited(run_at, created_at, claimed_at)))
      from unnest(ends) e, lateral (select date_bin('1 minute', ended_at, '2000-01-01Z') as minute) m
     group by minute, queue, task, state, priority
$$;

-- note_gone: remembers ends whose rows go before their day is closed: dead letters that come back or are removed, and skipped
-- nodes that wait again. Called by: run_again, discard_job, prune_dead, restore_skipped. Writes: unkept_end.
-- Whoever calls it deletes the rows in the same transaction: so roll_up sees either them or this.
create function note_gone(ends job_end[]) returns void
language sql as $$
    insert into unkept_end
    select u.*
      from (select array_agg(e) as ends from unnest(ends) e
             where e.ended_at >= coalesce((select day_at from roll_up_state  -- later than now: the clock was set back
                                            where day_at <= clock_timestamp()), '-infinity')) young, unkept_rows(young.ends) u
$$;
