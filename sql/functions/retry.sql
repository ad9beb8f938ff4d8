-- retry: runs a job again, now; one that was over has all its attempts again.
-- Called by: applications, operators. Writes: job, dead_letter. Locks: the row of the job.
--   scheduled              does not wait any longer
--   failed                 leaves the dead letters under its own id, its errors kept
--   succeeded, cancelled   a new job with the same arguments and retry_of
--   blocked, ready, running  PQ004; PQ003 when there is no such job
-- Returns the id of the job that will run.
create function retry(job_id bigint) returns bigint
language plpgsql set search_path from current as $$
declare
    again     bigint;
    its_queue text;
begin
    update job set state = 'ready', run_at = clock_timestamp()
     where id = job_id and state = 'scheduled'
    returning id, queue into again, its_queue;

    if again is null then
        with gone as (
            delete from dead_letter where id = job_id returning *
        )
        insert into job (id, run_at, created_at, retry_of, workflow_id, lane_id, state, priority, max_attempts, queue, task, args,
                         retry, result_ttl, unique_key, meta, errors)
        overriding system value
        select id, clock_timestamp(), created_at, retry_of, workflow_id, lane_id, 'ready', priority, max_attempts, queue, task, args,
               retry, result_ttl, unique_key, meta, errors
          from gone
        returning id, queue into again, its_queue;
    end if;

    if again is null then
        insert into job (run_at, created_at, retry_of, state, priority, max_attempts, queue, task, args, retry, result_ttl, meta)
        select clock_timestamp(), clock_timestamp(), id, 'ready', priority, max_attempts, queue, task, args, retry,
               nullif(result_ttl, interval '0'), meta  -- 0 by delete_result: that was about the result before
          from job_history where id = job_id
        returning id, queue into again, its_queue;
    end if;

    if again is null then
        perform refuse(job_id, 'only a job that waits for its time or is over can be retried');
    end if;
    perform wake(its_queue);
    return again;
end $$;
