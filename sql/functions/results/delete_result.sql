-- delete_result: removes the result of a job now; from then on it is expired. Deleting twice is no error.
-- Called by: applications. Writes: job_result, job_history (a rewritten row; this is rare). Locks: the row of the result, then
-- that of the job.
-- Raises PQ003 for an unknown job and PQ004 for one that has not succeeded.
create function delete_result(job_id bigint) returns void
-- Pinned, see result.
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
declare
    was_there bool;
begin
    delete from job_result r where r.job_id = delete_result.job_id;
    was_there := found;
    update job_history h set result_expires_at = clock_timestamp() where h.id = delete_result.job_id and h.state = 'succeeded';
    if not found and not was_there then
        perform refuse(job_id, 'only a job that has succeeded has a result');
    end if;
end $$;
