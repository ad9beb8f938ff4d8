-- settle: decides edges and moves what hangs on them: releases children whose parents have all ended as their edges want it,
-- skips the others, and with them whatever hangs on those, however deep. Ends the workflow when its last node has ended.
-- Called by: node_ended, link_nodes, depend, revive, repair_workflow; all but the first hold the rows of the workflows.
-- Writes: workflow_node, job, job_history, workflow; on_success and on_failure are enqueued.
--
-- ended     nodes that have ended in this transaction, with their states and their workflows, which are locked here: every edge
--           out of them is decided
-- admitted  nodes that are new or wait again: the edges into them are decided whose parents have ended before
--
-- Order of locks, everywhere: job rows that are ready or running, and live nodes of such jobs, then workflows by id, then their
-- other nodes, edges and blocked jobs in any order. A transaction that holds a workflow takes other job rows SKIP LOCKED only,
-- and writes no live node without its job. Locking children in the order of their ids instead of the workflow deadlocks: a
-- cascade has levels, and the ids of two levels are not in order.
-- A child's lock is not enough for REPEATABLE READ either: the workflow's row is really updated, so a stale snapshot is an error.
-- Deciding is a statement of its own after the lock: it sees what was committed while this one waited for it. What follows runs
-- only where there is something to do: most ends release one child or none, and an empty statement costs as much as a small one.
create function settle(
    ended bigint[], admitted bigint[] default '{}', states node_state[] default '{}', flows bigint[] default '{}'
) returns void
-- Pinned, see claim. "lateral (... offset 0)" and joins by ctid, safe under the workflow's lock, force look-ups by key.
-- Every kind of join is named: add_nodes and finish turn some off, and the plan made under the first caller is kept for all
-- others.
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set enable_nestloop = on set enable_hashjoin = off
set enable_mergejoin = off set enable_memoize = off set enable_hashagg = off set plan_cache_mode = force_generic_plan
set jit = off as $$
#variable_conflict use_column
declare
    settled_at timestamptz;
    children   tid[];
    counts     int[];
    barred     bigint[];  -- a parent that bars the child; NULL = it runs
    all_run    bool;
    all_barred bool;
    woken      text[];
    limited    bigint[];  -- jobs with limits among those released
    finished   bigint[];
begin
    if flows <> '{}' then
        perform from workflow w where w.id = any (flows) order by w.id for no key update;
    end if;
    settled_at := clock_timestamp();

    -- Most ends bar no child. Without the recursion below, whose table of rows it has met is cleared at each call: megabytes, as
    -- large as work_mem allows, for the planner expects many rows. A hash for group by would be as large, so it is turned off.
    if admitted = '{}' then
        select array_agg(at), array_agg(n), array_agg(barred_by), bool_and(barred_by is null), bool_and(barred_by is not null)
          into children, counts, barred, all_run, all_barred
          from (select child_id, count(*)::int as n, min(parent_id) filter (where not runs) as barred_by
                  from (select p.job_id as parent_id, e.child_id, e.run_if in ('finished', p.state::text) as runs
                          from unnest(ended, states) as p(job_id, state),
                               lateral (select child_id, run_if from workflow_edge where parent_id = p.job_id offset 0) e) decided
                 group by child_id) d,
               lateral (select ctid as at from workflow_node where job_id = d.child_id and state = 'blocked' offset 0) c;
    end if;
    if admitted <> '{}' or not all_run then
        with recursive decided (parent_id, child_id, runs) as (
            (select p.job_id, e.child_id, e.run_if in ('finished', p.state::text)
               from unnest(ended, states) as p(job_id, state),
                    lateral (select child_id, run_if from workflow_edge where parent_id = p.job_id offset 0) e
             union all
             select p.job_id, u.id, e.run_if in ('finished', p.state::text)
               from unnest(admitted) as u(id),
                    lateral (select parent_id, run_if from workflow_edge where child_id = u.id offset 0) e,
                    lateral (select job_id, state from workflow_node
                              where job_id = e.parent_id and ended_at is not null offset 0) p)
            union  -- a child that cannot run is skipped, which decides the edges out of it
            select c.job_id, e.child_id, e.run_if = 'finished'
              from decided d,
                   lateral (select job_id from workflow_node where job_id = d.child_id and state = 'blocked' offset 0) c,
                   lateral (select child_id, run_if from workflow_edge where parent_id = c.job_id offset 0) e
             where not d.runs
        )
        select array_agg(at), array_agg(n), array_agg(barred_by), bool_and(barred_by is null), bool_and(barred_by is not null)
          into children, counts, barred, all_run, all_barred
          from (select child_id, count(*)::int as n, min(parent_id) filter (where not runs) as barred_by
                  from decided group by child_id) d,
               lateral (select ctid as at from workflow_node where job_id = d.child_id and state = 'blocked' offset 0) c;
    end if;

    if not all_barred then
        with node as (
            update workflow_node c
               set pending_parents = c.pending_parents - n,
                   state = (case when c.pending_parents = n then 'live' else 'blocked' end)::node_state
              from unnest(children, counts, barred) as u(at, n, barred_by)
             where c.ctid = u.at and barred_by is null
            returning c.job_id, c.state
        ), released as (  -- ready since now: claim's cursors must not have passed it
            update job j set state = (case when j.run_at > settled_at then 'scheduled' else 'ready' end)::job_state,
                             run_at = greatest(j.run_at, settled_at)
             where j.id = any (array(select job_id from node where state = 'live'))
            returning j.id, j.queue, j.state, j.lane_id
        )
        select array_agg(distinct queue), array_agg(id) filter (where lane_id is not null) into woken, limited
          from released where state = 'ready';
        if woken is not null then
            perform wake(queue) from unnest(woken) as w(queue);
        end if;
        if limited is not null then
            perform take_turns(limited);
        end if;
    end if;
    if not all_run then
        flows := flows || skip_nodes(children, barred, settled_at);
    end if;
    if flows = '{}' then
        return;
    end if;

    with flow as (
        update workflow w
           set open = w.open - n, finished_at = case when w.open = n then settled_at end,
               outcome = case when w.open = n then (
                   select max(state) from workflow_node where workflow_id = w.id and ended_at is not null) end
          from (select u.id, count(*)::int as n from unnest(flows) as u(id) group by u.id) f
         where w.id = any (array[f.id])
        returning w.id, w.finished_at, w.on_success, w.on_failure
    )
    select array_agg(id order by id) into finished
      from flow where finished_at is not null and (on_success is not null or on_failure is not null);
    -- A job that is skipped at once below a workflow that was over ends it a second time, and no node has ended: nothing to tell.
    if finished is not null and ended <> '{}' then
        perform enqueue_callback(id) from unnest(finished) as f(id);
    end if;
end $$;

-- skip_nodes: ends blocked nodes, those that a parent bars, and their jobs; returns the workflow of each.
-- Called by: settle, which pins the plan. Writes: workflow_node, job, job_history.
create function skip_nodes(children tid[], barred bigint[], settled_at timestamptz) returns bigint[]
language plpgsql as $$
declare
    flows bigint[];
begin
    with node as (
        update workflow_node c
           set pending_parents = 0, state = 'skipped', ended_at = settled_at,
               payload = (select to_jsonb(j) from job j where j.id = c.job_id)
          from unnest(children, barred) as u(at, barred_by)
         where c.ctid = u.at and u.barred_by is not null
        returning c.workflow_id, c.job_id, u.barred_by
    ), why as materialized (
        select node.job_id, append_error(j.errors, j.attempt, null, null, settled_at, null, jsonb_build_object(
                   'type', 'DependencyFailed', 'message', format('job %s (%s) %s', p.job_id, coalesce(p.name, p.task),
                       -- blocked: by this very statement no more
                       case when p.state = 'blocked' then 'skipped' else p.state end))) as errors
          from node, lateral (select errors, attempt from job where id = node.job_id offset 0) j,
               lateral (select job_id, name, task, state from workflow_node where job_id = node.barred_by offset 0) p
    ), gone as (
        delete from job_kept k using why w where k.id = any (array[w.job_id])
        returning null::timestamptz, settled_at, 'cancelled'::job_state, 'dependency_failed'::final_reason, null::real,
                  w.errors, k.*
    ), history as (
        insert into job_history select g.* from gone g
    )
    select array_agg(workflow_id) into flows from node;
    return flows;
end $$;

-- enqueue_callback: adds the job that a workflow wants to be told by of how it has ended. Called by: settle, repair_workflow.
-- Writes: job, workflow. What stands in its way, now that it was good at submission, is kept in callback_error and ends nothing
-- else: the last node may be somebody else's job. Raises what may pass, a lock or a full disk: then that end is handed in again.
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
        -- Without its arguments, if no key is made of them: they were measured at submission; the limit may be lower by now.
        told := (select id from insert_each(jsonb_build_array(
            callback - case when callback ?| '{limits,fair}' then '' else 'args' end || jsonb_build_object(
                'meta', jsonb_build_object('workflow_id', its.id, 'workflow', its.name, 'outcome', its.outcome)))));
        update job set args = callback->'args', args_bytes = large_bytes(callback->'args')
         where id = told and jsonb_typeof(callback->'args') = 'object';
    end if;
    if its.callback_error is not null then
        update workflow set callback_error = null where id = flow;
    end if;
exception
    when lock_not_available or transaction_rollback or insufficient_resources or operator_intervention or system_error then
        raise;
    when others then
        update workflow set callback_error = left(sqlerrm, 500) where id = flow;
        raise warning 'workflow % has finished, but its callback could not be enqueued: %', flow, sqlerrm;
end $$;
