-- cancel_nodes: ends nodes that do not run, because somebody asked for it. Called by: cancel_workflow, rescue_job, cancel_again.
-- Writes: job, job_history; see settle for what the end of a node writes. Locks: their workflows; the caller holds the job rows.
create function cancel_nodes(job_ids bigint[]) returns void
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
begin
    with gone as (
        delete from job j using unnest(job_ids) as u(id) where j.id = any (array[u.id]) returning j.*
    )
    insert into job_history (id, run_at, created_at, finished_at, retry_of, workflow_id, state, reason, priority, attempt,
                             max_attempts, rescues, queue, task, args, retry, result_ttl, unique_key, unique_mode, meta, limits, cost, errors)
    select g.id, g.run_at, g.created_at, clock_timestamp(), g.retry_of, g.workflow_id, 'cancelled', 'user_requested', g.priority,
           g.attempt, g.max_attempts, g.rescues, g.queue, g.task, g.args, g.retry, g.result_ttl, g.unique_key, g.unique_mode,
           g.meta, g.limits, g.cost, g.errors
      from gone g;
    perform end_nodes(job_ids, array_fill('cancelled'::node_state, array[cardinality(job_ids)]));
end $$;

-- cancel_again: nodes that have come back to the queue do not run again when their workflow was cancelled meanwhile.
-- Called by: give_back, promote, mend_workflows, after the jobs have moved. Writes: see cancel_nodes.
-- Locks: the workflows, SKIP LOCKED: it waits for nobody, so it may be called under any locks. The nodes of one that somebody holds
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
            select j.id from job j where j.id = any (job_ids) and j.workflow_id = any (flows) and is_cancelled(j.workflow_id, j.id)));
    end if;
end $$;
