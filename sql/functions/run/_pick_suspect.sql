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
    of_queue text;
    first    timestamptz;
    its      record;
begin
    -- No condition on state beside the worker: with one, the planner may walk the dead entries of job_running instead.
    select case when exists (select from job where rescues >= 2)
                then exists (select from job where rescues >= 2 and worker_id = worker) end into runs_one;
    if runs_one is null or runs_one then
        return case when runs_one then null else '{}' end;
    end if;
    -- The first of each queue, read off the index whatever the number of suspects that wait, have limits or are in other queues.
    for its in
        select q as queue, front.run_at
          from unnest(queues) as q cross join lateral (
               select run_at from job
                where rescues >= 2 and worker_id is null and lane_id is null and state = 'ready' and queue = q
                  and (paused is null or task <> all (paused)) and may_start(expires_at, deadline_at, attempt)
                order by worker_id, lane_id, run_at limit 1) front
    loop
        if first is null or its.run_at < first then
            of_queue := its.queue;
            first := its.run_at;
        end if;
    end loop;
    return array(
        select id from job
         where rescues >= 2 and worker_id is null and lane_id is null and state = 'ready' and queue = of_queue
           and (paused is null or task <> all (paused)) and may_start(expires_at, deadline_at, attempt)
         order by worker_id, lane_id, run_at limit 1
           for no key update skip locked);
end $$;
