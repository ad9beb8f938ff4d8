-- rescue: takes running jobs from workers that are lost, or gone, and lets them run again.
-- Called by: every worker, every third of its lease, after mark_lost has committed.
-- Writes: job, dead_letter, rescue_log; see settle for what the end of a node writes. Locks: job rows, SKIP LOCKED; for a node that
-- ends here its workflow, for which it waits at most 50 ms: if somebody holds that, its jobs are left to the next call.
-- Each job is rescued by itself: one that raises stays behind with a warning and holds up no other.
-- Returns how many jobs it took, at most `want`.
create function rescue(want int default 1000) returns int
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set lock_timeout = '50ms' as $$
declare
    orphan record;
    taken  int := 0;
    held   bigint[] := '{}';  -- workflows
begin
    for orphan in
        select j.id, j.claim_token, j.workflow_id,
               coalesce(j.id = any (w.started), false) as started,
               -- Claimed before the last heartbeat and not among the handlers it named: never started. The second allows
               -- for a claim that was on its way back while the heartbeat was put together.
               coalesce(j.id = any (w.started) or j.claimed_at > w.heartbeat_at - interval '1 s', true) as may_have_started
          from job j left join worker w on w.id = j.worker_id
         where j.state = 'running' and w.state is distinct from 'active'
         order by j.worker_id, j.id limit want
    loop
        continue when orphan.workflow_id = any (held);
        begin
            taken := taken + rescue_job(orphan.id, orphan.claim_token, orphan.started, orphan.may_have_started);
        exception
            when lock_not_available then held := held || orphan.workflow_id;
            when others then raise warning 'job % could not be rescued: %', orphan.id, sqlerrm;
        end;
    end loop;
    return taken;
end $$;
