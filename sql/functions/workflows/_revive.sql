-- revive: failed nodes run again. What was skipped below them waits again, and so does each child that has not started: one
-- released by the failure, and one retried together with its parent or before it. A failed node waits itself when a parent of it
-- is not over. What runs, and what has ended otherwise, stays as it is.
-- Called by: retry_job, retry_workflow, after the dead letters have become jobs again. Writes: workflow, workflow_node, job,
-- job_history.
-- Locks: the workflow; unique keys, see restore_skipped; jobs below SKIP LOCKED: a locked one counts as started.
-- Raises PQ004 when a job below is unique and another live job has its key by now.
create function revive(flow bigint, dead bigint[]) returns void
language plpgsql set enable_seqscan = off set enable_nestloop = off set jit = off as $$
#variable_conflict use_variable
declare
    back  bigint[];
    again bigint[];
    live  bigint[];  -- children that were released, or retried
begin
    perform from workflow where id = flow for no key update;
    if not found then  -- pruned: nothing hangs on it any more
        update job set workflow_id = null where id = any (dead);
        return;
    end if;
    with recursive below (id) as (
        select unnest(dead)
        union
        select c.job_id
          from below b, lateral (select child_id from workflow_edge where parent_id = b.id offset 0) e,
               lateral (select job_id from workflow_node where job_id = e.child_id and state = 'skipped' offset 0) c
    )
    select array_agg(id) into back from (select id from below except select unnest(dead)) x;
    back := coalesce(back, '{}');
    update workflow set open = open + cardinality(dead) + cardinality(back), finished_at = null, outcome = null,
           cancelled_at = null,
           -- What ran when it was cancelled still has to stop: it may not have been asked yet.
           stopping = array(select unnest(stopping) except select unnest(dead)) || array(
               select n.job_id from workflow_node n
                where workflow.cancelled_at is not null and n.workflow_id = flow and n.state = 'live')
     where id = flow;
    update workflow_node set state = 'live', ended_at = null where job_id = any (dead);
    perform restore_skipped(back);
    -- Count again: a child of a revived job waits for all its parents, then settle subtracts those that have ended.
    with child as (
        select distinct c.job_id, c.state
          from (select unnest(back) union all select unnest(dead)) b(id),
               lateral (select child_id from workflow_edge where parent_id = b.id offset 0) e,
               lateral (select job_id, state from workflow_node
                         where job_id = e.child_id and state in ('blocked', 'skipped', 'live') offset 0) c
    )
    select coalesce(array_agg(job_id) filter (where state <> 'live'), '{}'),
           coalesce(array_agg(job_id) filter (where state = 'live'), '{}')
      into again, live from child;
    again := again || block_unstarted(live || waiting_nodes(dead));
    update workflow_node n set state = 'blocked', ended_at = null, payload = null,
           pending_parents = (select count(*) from workflow_edge e where e.child_id = n.job_id)
     where n.job_id = any (again);
    perform settle('{}', again);
end $$;

-- waiting_nodes: those of these nodes of which a parent is not over. Called by: revive, which holds the workflow. Writes:
-- nothing.
create function waiting_nodes(job_ids bigint[]) returns bigint[]
language sql stable set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
    select coalesce(array_agg(distinct u.id), '{}')
      from unnest(job_ids) as u(id),
           lateral (select parent_id from workflow_edge where child_id = u.id offset 0) e,
           lateral (select ended_at from workflow_node where job_id = e.parent_id offset 0) p
     where p.ended_at is null
$$;

-- block_unstarted: takes back those of these jobs that have not started, and returns them; their nodes are left to the caller.
-- Called by: revive, which holds the workflow. Writes: job. Locks: the jobs, SKIP LOCKED.
create function block_unstarted(job_ids bigint[]) returns bigint[]
language sql set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
    with held as (
        select id from job where id = any (job_ids) and state in ('scheduled', 'ready') for no key update skip locked
    ), blocked as (
        update job set state = 'blocked' where id = any (array(select id from held)) returning id
    )
    select coalesce(array_agg(id), '{}') from blocked
$$;

-- restore_skipped: the jobs of skipped nodes as they were, blocked; what expires counts again from now. Called by: revive.
-- Writes: job, job_history, unkept_end.
-- Locks: unique keys, in the order of their digests, while the workflow is held: only under that lock is known which they are. So
-- who has taken such a key in an open transaction holds up the workflow, and if it wants that workflow next, one of the two gets
-- 40P01.
create function restore_skipped(job_ids bigint[]) returns void
language plpgsql set enable_seqscan = off set jit = off as $$
declare
    taken bigint;
    ends  job_end[];
begin
    with gone as (
        delete from job_history h where h.id = any (job_ids) returning h.*
    )
    select array_agg(row(g.finished_at, g.queue, g.task, g.state, g.priority, g.attempt, g.elapsed, g.run_at, g.created_at,
                         g.claimed_at, g.control)::job_end) into ends from gone g;
    if ends is not null then
        perform note_gone(ends);
    end if;
    insert into job overriding system value
    select j.*  -- lateral: (f(...)).* calls f for each column
      from workflow_node n, lateral jsonb_populate_record(null::job, n.payload || jsonb_build_object(
               'expires_at', end_of(n.payload->'terms', 'expires_after', clock_timestamp()),
               'deadline_at', end_of(n.payload->'terms', 'total_timeout', clock_timestamp()))) j where n.job_id = any (job_ids)
     order by j.unique_key, j.id
    on conflict (unique_key) where unique_key is not null do nothing;
    select u.id into taken
      from unnest(job_ids) as u(id) left join lateral (select id from job where id = u.id offset 0) j on true
     where j.id is null limit 1;
    if taken is not null then
        raise exception 'job_id: job % below it is unique, and another live job has its key; wait until that one is over', taken
            using errcode = 'PQ004';
    end if;
end $$;
