-- extend_result: keeps the result of a job until a time from now, longer or shorter than it would be; returns until when.
-- Called by: applications. Writes: job_result, job_history (a rewritten row; this is rare). Locks: the row of the result, then
-- that of the job; waits for a prune in progress.
-- Raises PQ001 for a ttl that is not valid, PQ003 for an unknown job, and PQ004 for one that has not succeeded or whose result
-- is not kept any more.
create function extend_result(job_id bigint, ttl interval) returns timestamptz
-- Pinned, see result.
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_variable
declare
    stored     bool := exists (select from job_result r where r.job_id = extend_result.job_id);  -- a null is not
    kept       bool := (select expires_at is not null from result(job_id));
    keep_until timestamptz;
begin
    if fits(ttl, interval '1000 years') is not true then
        perform invalid('ttl', ttl::text, 'use an interval from 0 to 1000 years');
    end if;
    keep_until := clock_timestamp() + ttl;
    update job_result r set expires_at = keep_until where r.job_id = extend_result.job_id;
    if not kept or stored and not found then  -- not found: pruned or deleted at this moment
        perform refuse(job_id, 'only a result that is still kept can be extended; retry runs a job that is over again');
    end if;
    update job_history h set result_expires_at = keep_until where h.id = job_id;
    return keep_until;
end $$;
