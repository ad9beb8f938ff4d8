-- wait_anew: a dead letter that has failed because a signal did not come waits for it again when it is retried: for the last one
-- that it was told of. Any other wait that is over stays over: its handler has gone on from there, and has perhaps done steps.
-- Called by: run_again. Writes: job_signal.
create function wait_anew(job_id bigint) returns void
language sql set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
    delete from job_signal s using dead_letter d
     where d.id = wait_anew.job_id and d.errors->-1->>'type' = 'pgqueue.errors.SignalTimeout'
       and s.job_id = wait_anew.job_id and s.timed_out
       and s.ended_at = (select max(o.ended_at) from job_signal o where o.job_id = wait_anew.job_id and o.timed_out)
$$;
