-- repair_workflows: repairs workflows whose rows were changed by hand, so that none waits forever: the functions here never
-- leave drift behind. Counted in workflow.repairs. Returns how many it mended.
-- most: look only at workflows that together have this many nodes, others each time, so that a call stays short; NULL = at all.
-- Called by: mend_workflows; people. Writes: what settle writes.
-- Locks: each workflow, SKIP LOCKED: one in use is looked at next time.
-- Each is repaired separately: one that raises an error stays unchanged with a warning and does not block the others.
create function repair_workflows(most int default null) returns int
language plpgsql security definer set search_path from current set jit = off as $$
declare
    flow     bigint;
    repaired int := 0;
begin
    for flow in select distinct d.workflow_id from workflow_drift(only_open => true, most => most) d order by 1 loop
        perform from workflow where id = flow for no key update skip locked;
        if found then
            begin
                perform repair_workflow(flow);
                repaired := repaired + 1;
            exception when others then
                raise warning 'workflow % could not be repaired: %', flow, sqlerrm;
            end;
        end if;
    end loop;
    return repaired;
end $$;

-- repair_workflow: derives everything stored of one workflow again. Called by: repair_workflows, which holds it.
create function repair_workflow(flow bigint) returns void
language plpgsql as $$
declare
    wrong    bigint[];
    was_over bool;
begin
    delete from workflow w where w.id = flow and not exists (select from workflow_node n where n.workflow_id = flow);
    -- A node with a live job is not over, and one whose job runs does not wait; a job agrees with its node about being blocked.
    update workflow_node n set state = 'live', pending_parents = 0, ended_at = null, payload = null
      from job j
     where n.workflow_id = flow and j.id = n.job_id and (n.ended_at is not null or n.state = 'blocked' and j.state = 'running');
    update job j set state = case n.state when 'blocked' then 'blocked' else state_at(j.run_at) end
      from workflow_node n
     where n.workflow_id = flow and j.id = n.job_id and j.state <> 'running' and (n.state = 'blocked') <> (j.state = 'blocked');
    update workflow w
       set nodes = n.nodes, open = n.open, repairs = w.repairs + 1,
           finished_at = case when n.open = 0 then coalesce(w.finished_at, clock_timestamp()) end,
           outcome = case when n.open = 0 then n.outcome end
      from (select count(*) as nodes, count(*) filter (where ended_at is null) as open, max(state) as outcome
              from workflow_node where workflow_id = flow) n
     where w.id = flow and n.nodes > 0;

    -- A node without a job has ended as its last trace says; without any it counts as cancelled. Until all are counted, whoever
    -- is blocked waits for all its parents, lest a count that was too small releases it now.
    perform wait_for_all(flow);
    select array_agg(n.job_id) into wrong
      from workflow_node n
     where n.workflow_id = flow and n.ended_at is null and not exists (select from job j where j.id = n.job_id);
    perform end_nodes(wrong, array(
        select coalesce((select 'failed'::node_state from dead_letter d where d.id = u.id),
                        (select h.state::text::node_state from job_history h where h.id = u.id limit 1), 'cancelled')
          from unnest(wrong) as u(id)));

    was_over := (select finished_at is not null from workflow where id = flow);
    perform settle('{}', wait_for_all(flow));
    -- settle calls no callback of a workflow that a skip alone has ended.
    perform enqueue_callback(id) from workflow where id = flow and finished_at is not null and not was_over;
end $$;

-- wait_for_all: lets the blocked nodes of a workflow wait for all their parents again and returns them, for settle to take off
-- those that have ended; one without parents may run. Called by: repair_workflow. Writes: workflow_node, job.
create function wait_for_all(flow bigint) returns bigint[]
language plpgsql as $$
declare
    blocked bigint[];
begin
    update workflow_node n set state = 'live', pending_parents = 0
     where n.workflow_id = flow and n.state = 'blocked' and not exists (select from workflow_edge e where e.child_id = n.job_id);
    update job j set state = state_at(j.run_at)
      from workflow_node n where n.workflow_id = flow and j.id = n.job_id and n.state = 'live' and j.state = 'blocked';
    with counted as (
        update workflow_node n set pending_parents = (select count(*) from workflow_edge e where e.child_id = n.job_id),
                                   has_parents = true
         where n.workflow_id = flow and n.state = 'blocked' returning n.job_id
    )
    select coalesce(array_agg(job_id), '{}') into blocked from counted;
    return blocked;
end $$;
