-- retry: runs a job again, now; one that was over has all its attempts again.
-- Called by: applications, operators. Writes: job, dead_letter. Locks: the row of the job; a unique key, see insert_unique;
-- the workflow of a node; the keys of what was skipped below it, see restore_skipped.
--   scheduled              does not wait any longer; nor does a ready job whose limits wait for its retry (retry_blocks)
--   failed                 leaves the dead letters under its own id, its errors kept; what was skipped below a node waits again,
--                          and a node itself as long as a parent of it is not over, see revive
--   succeeded, cancelled   a new job with the same arguments and retry_of, outside any workflow; PQ004 for a node that was
--                          skipped or that takes results of its parents
--   blocked, ready, running  PQ004; PQ003 when there is no such job
-- Returns the id of the job that will run, and whether it is another one (duplicate): a unique job whose key is held by another
-- live one stays where it is.
create function retry(job_id bigint, out id bigint, out duplicate bool)
language plpgsql security definer set search_path from current as $$
declare
    flow bigint;
begin
    select a.id, a.duplicate, a.flow into retry.id, retry.duplicate, flow from run_again(job_id) a;
    if flow is not null then
        perform revive(flow, array[job_id]);
    end if;
end $$;
