-- settle: decides edges and moves what hangs on them: releases children whose parents have all ended as their edges want it, skips
-- the others, and with them whatever hangs on those, however deep. Ends the workflow when its last node has ended.
-- Called by: node_ended, add_nodes, depend, revive, repair_workflow. The caller holds the rows of the workflows.
-- Writes: workflow_node, job, job_history, workflow; on_success and on_failure are enqueued.
--
-- ended     nodes that have ended in this transaction: every edge out of them is decided
-- admitted  nodes that are new or wait again: the edges into them are decided whose parents have ended before
--
-- Order of locks, everywhere: job rows that are ready or running, then workflows by id, then their nodes, edges and blocked jobs in
-- any order. Whoever holds a workflow takes other job rows SKIP LOCKED only. Locking children in the order of their ids
-- instead of the workflow deadlocks: a cascade has levels, and the ids of two levels are not in order.
-- A child's lock is not enough for REPEATABLE READ either: the workflow's row is really updated, so a stale snapshot is an error.
create function settle(ended bigint[], admitted bigint[] default '{}') returns void
-- Pinned, see claim. "lateral (... offset 0)" and joins by ctid, safe under the workflow's lock, force look-ups by key.
-- Every kind of join is named: add_nodes and finish turn some off, and the plan made under the first caller is kept for all others.
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set enable_nestloop = on set enable_hashjoin = off
set enable_mergejoin = off set enable_memoize = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
    settled_at timestamptz := clock_timestamp();
    woken      text[];
    finished   bigint[];
begin
    with recursive decided (parent_id, child_id, runs) as (
        (select p.job_id, e.child_id, e.run_if in ('finished', p.state::text)
           from unnest(ended) as u(id),
                lateral (select job_id, state from workflow_node where job_id = u.id offset 0) p,
                lateral (select child_id, run_if from workflow_edge where parent_id = p.job_id offset 0) e
         union all
         select p.job_id, u.id, e.run_if in ('finished', p.state::text)
           from unnest(admitted) as u(id),
                lateral (select parent_id, run_if from workflow_edge where child_id = u.id offset 0) e,
                lateral (select job_id, state from workflow_node where job_id = e.parent_id and ended_at is not null offset 0) p)
        union  -- a child that cannot run is skipped, which decides the edges out of it
        select c.job_id, e.child_id, e.run_if = 'finished'
          from decided d,
               lateral (select job_id from workflow_node where job_id = d.child_id and state = 'blocked' offset 0) c,
               lateral (select child_id, run_if from workflow_edge where parent_id = c.job_id offset 0) e
         where not d.runs
    ), child as (
        select at, n, runs, barred_by
          from (select child_id, count(*)::int as n, bool_and(runs) as runs, min(parent_id) filter (where not runs) as barred_by
                  from decided group by child_id) d,
               lateral (select ctid as at from workflow_node where job_id = d.child_id and state = 'blocked' offset 0) c
    ), node as (
        update workflow_node c
           set pending_parents = case when runs then c.pending_parents - n else 0 end,
               state = (case when not runs then 'skipped' when c.pending_parents = n then 'live' else 'blocked' end)::node_state,
               ended_at = case when not runs then settled_at end,
               payload = case when not runs then (select to_jsonb(j) from job j where j.id = c.job_id) end
          from child where c.ctid = child.at
        returning c.workflow_id, c.job_id, c.state, barred_by
    ), released as (  -- ready since now: claim's cursors must not have passed it
        update job j set state = (case when j.run_at > settled_at then 'scheduled' else 'ready' end)::job_state,
                         run_at = greatest(j.run_at, settled_at)
         where j.id = any (array(select job_id from node where state = 'live'))
        returning j.queue, j.state
    ), gone as (
        delete from job j where j.id = any (array(select job_id from node where state = 'skipped'))
    ), history as (  -- looked up once more: a join of what was deleted with why has no key
        insert into job_history (id, run_at, created_at, finished_at, retry_of, workflow_id, state, reason, priority, attempt,
                                 max_attempts, rescues, queue, task, args, retry, result_ttl, unique_key, unique_mode, meta, errors)
        select g.id, g.run_at, g.created_at, settled_at, g.retry_of, g.workflow_id, 'cancelled', 'dependency_failed', g.priority,
               g.attempt, g.max_attempts, g.rescues, g.queue, g.task, g.args, g.retry, g.result_ttl, g.unique_key, g.unique_mode,
               g.meta, append_error(g.errors, g.attempt, null, null, settled_at, null, jsonb_build_object(
                   'type', 'DependencyFailed', 'message', format('job %s did not end as this one needs it', node.barred_by)))
          from node, lateral (select * from job where id = node.job_id offset 0) g where node.state = 'skipped'
    ), closed as (
        select at, n
          from (select workflow_id, count(*)::int as n
                  from (select n.workflow_id from unnest(ended) as u(id),
                               lateral (select workflow_id from workflow_node where job_id = u.id offset 0) n
                        union all
                        select workflow_id from node where state = 'skipped') x
                 group by workflow_id) f,
               lateral (select ctid as at from workflow where id = f.workflow_id offset 0) w
    ), flow as (
        update workflow w
           set open = w.open - n, finished_at = case when w.open = n then settled_at end,
               -- The nodes that this statement skips look blocked to it: they never outweigh what ended before them.
               outcome = case when w.open = n then coalesce((select max(state) from workflow_node where workflow_id = w.id and ended_at is not null), 'skipped') end
          from closed where w.ctid = closed.at
        returning w.id, w.finished_at
    )
    select (select array_agg(distinct queue) from released where state = 'ready'),
           (select array_agg(id order by id) from flow where finished_at is not null)
      into woken, finished;
    perform wake(queue) from unnest(woken) as w(queue);
    -- A job that is skipped at once below a workflow that was over ends it a second time, and no node has ended: nothing to tell.
    perform enqueue_callback(id) from unnest(finished) as f(id) where ended <> '{}';
end $$;

-- enqueue_callback: adds the job that a workflow wants to be told by of how it has ended. Called by: settle, repair_workflow. Writes: job.
create function enqueue_callback(flow bigint) returns void
language plpgsql as $$
declare
    its      workflow%rowtype;
    callback jsonb;
    told     bigint;
begin
    select * into its from workflow where id = flow;
    callback := case its.outcome when 'succeeded' then its.on_success when 'failed' then its.on_failure end;
    if callback is not null then
        told := (select id from enqueue_many(jsonb_build_array(callback - 'args' || jsonb_build_object('meta', jsonb_build_object(
            'workflow_id', its.id, 'workflow', its.name, 'outcome', its.outcome)))));
        -- Afterwards: they were measured at submission, and the limit may be lower by now.
        update job set args = callback->'args' where id = told and jsonb_typeof(callback->'args') = 'object';
    end if;
exception when sqlstate 'PQ001' then  -- it was good at submission, and the last job could never finish
    raise warning 'workflow % has finished, but its callback could not be enqueued: %', flow, sqlerrm;
end $$;
