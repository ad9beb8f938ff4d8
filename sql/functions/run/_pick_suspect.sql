-- pick_suspect: locks at most one ready job without limits that may kill its worker; NULL while this worker runs one, whatever
-- its limits.
-- Called by: claim, claim_gated. Writes: nothing. Locks: one job row, SKIP LOCKED.
-- A job that was running when its worker was lost, twice, is a suspect. One at a time per worker, it can take no other
-- suspect with it: the third loss is its own.
-- paused: tasks of which none may start; NULL = none is paused.
create function pick_suspect(worker uuid, queues text[], paused text[]) returns bigint[]
language plpgsql as $$
declare
    runs_one bool;
begin
    -- No condition on state outside the aggregate: with one, the planner may walk the dead entries of job_running instead.
    select bool_or(state = 'running' and worker_id = worker) into runs_one from job where rescues >= 2;
    if runs_one is null or runs_one then
        return case when runs_one then null else '{}' end;
    end if;
    return array(
        select id from job
         where rescues >= 2 and state = 'ready' and lane_id is null and queue = any (queues)
           and (paused is null or task <> all (paused)) and may_start(expires_at, deadline_at, attempt)
         order by run_at limit 1
           for no key update skip locked);
end $$;
