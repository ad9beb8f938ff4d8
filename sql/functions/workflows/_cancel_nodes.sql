-- cancel_nodes: ends nodes that do not run, on request. Called by: cancel_workflow, rescue_job, cancel_again.
-- Writes: job, job_history; see settle for what the end of a node writes. Locks: their workflows; the caller holds the job rows.
create function cancel_nodes(job_ids bigint[]) returns void
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
begin
    with held as materialized (
        select j.id, j.errors from unnest(job_ids) as u(id), lateral (select id, errors from job where id = u.id offset 0) j
    ), gone as (
        delete from job_kept k using held h where k.id = any (array[h.id])
        returning null::timestamptz, clock_timestamp(), 'cancelled'::job_state, 'user_requested'::final_reason, null::real,
                  h.errors, k.*
    )
    insert into job_history select g.* from gone g;
    perform end_nodes(job_ids, array_fill('cancelled'::node_state, array[cardinality(job_ids)]));
end $$;

-- cancel_again: nodes that have come back to the queue do not run again when their workflow was cancelled meanwhile.
-- Called by: give_back, promote, mend_workflows, after the jobs have moved. Writes: see cancel_nodes.
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
        perform cancel_nodes(array(
            select j.id from job j
             where j.id = any (job_ids) and j.workflow_id = any (flows) and is_cancelled(j.workflow_id, j.id)));
    end if;
end $$;
