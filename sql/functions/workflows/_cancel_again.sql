-- cancel_again: nodes that have come back to the queue do not run again when their workflow was cancelled meanwhile.
-- Called by: give_back, promote, signal, mend_workflows, after the jobs have moved. Writes: see cancel_held.
-- Locks: the workflows, SKIP LOCKED: it never waits, so it may be called under any locks. The nodes of a locked workflow
-- are left to maintain, and so are those that come back while a cancel is on its way.
create function cancel_again(job_ids bigint[]) returns void
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
declare
    flows bigint[] := array(
        select w.id from workflow w
         where (w.cancelled_at is not null or w.stopping && job_ids)
           and w.id = any (array(select j.workflow_id from job j where j.id = any (job_ids)))
           for no key update skip locked);
begin
    if flows <> '{}' then
        perform cancel_held(array(
            select j.id from job j
             where j.id = any (job_ids) and j.workflow_id = any (flows) and is_cancelled(j.workflow_id, j.id)));
    end if;
end $$;
