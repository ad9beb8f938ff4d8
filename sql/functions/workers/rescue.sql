-- rescue: takes running jobs from workers that are lost, or gone, and lets them run again; also runs that have passed their
-- timeout, from workers that are alive and do not end them, see end_overdue.
-- Called by: every worker, every third of its lease, after mark_lost has committed; bury_worker.
-- Writes: job, dead_letter, rescue_log; see settle for what the end of a node writes. Locks: job rows, SKIP LOCKED; for a node
-- that ends here its workflow, for which it waits at most 50 ms: if it is locked, its jobs are left to the next call.
-- whole: false leaves out workers that were silent for more than five minutes when they were lost, or are gone altogether: the
-- look for jobs of the latter walks the entries of the jobs that workers before them have ended during a long transaction.
-- Each job is rescued separately: one that raises an error stays behind with a warning and does not block the others.
-- Returns how many jobs it took, at most `want`.
create function rescue(want int default 1000, whole bool default true) returns int
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
set lock_timeout = '50ms' as $$
declare
    orphan record;
    taken  int := 0;
    held   bigint[] := '{}';  -- workflows
begin
    for orphan in
        -- Jobs of those that are alive, nearly all, are not read, nor are the entries of those that these have ended.
        with dead as (
            select id, started, heartbeat_at, lost_because, lost_reason, killed
              from worker where state <> 'active' and (whole or heartbeat_at + lease > clock_timestamp() - interval '5 minutes')
            union all
            select id, null, null, null, null, null from holders_gone() as id where whole
        )
        select j.id, j.claim_token, j.workflow_id, d.lost_because, d.lost_reason, d.killed = j.id as alone,
               coalesce(j.id = any (d.started), false) as started,
               -- Claimed before the last heartbeat and not among the handlers it named: never started. The second allows
               -- for a claim that was on its way back while the heartbeat was put together.
               coalesce(j.id = any (d.started) or j.claimed_at > d.heartbeat_at - interval '1 s', true) as may_have_started
          from dead d, lateral (
               select id, claim_token, claimed_at, workflow_id from job
                where state = 'running' and worker_id = d.id limit want) j  -- in no order, or it would read another index
         limit want
    loop
        continue when orphan.workflow_id = any (held);
        begin
            taken := taken + rescue_job(orphan.id, orphan.claim_token, orphan.started, orphan.may_have_started,
                                        orphan.lost_because, orphan.lost_reason, orphan.alone);
        exception
            when lock_not_available then held := held || orphan.workflow_id;
            when others then raise warning 'job % could not be rescued: %', orphan.id, sqlerrm;
        end;
    end loop;
    return taken + end_overdue(want - taken);
end $$;

-- holders_gone: workers of running jobs that are not in the table of workers. Called by: rescue, which pins the plan.
-- Writes: nothing. Between each two workers that are there it goes from one holder to the next.
create function holders_gone() returns setof uuid
language sql stable as $$
    select holder.id
      from (select id as low, lead(id, 1, 'ffffffff-ffff-ffff-ffff-ffffffffffff') over (order by id) as high
              from (select id from worker union all select '00000000-0000-0000-0000-000000000000') ids) gap,
           lateral (
           with recursive holder (id) as (
               (select worker_id from job where state = 'running' and worker_id > low and worker_id < high
                 order by worker_id limit 1)
               union all
               select (select j.worker_id from job j where j.state = 'running' and j.worker_id > h.id and j.worker_id < high
                        order by j.worker_id limit 1)
                 from holder h where h.id is not null
           )
           select id from holder where id is not null) holder
$$;
