-- end_nodes: says that nodes have ended, and how. The trigger node_ended releases or skips what hangs on them.
-- Called by: finish_nodes, end_waiting, cancel_held, fence, end_interrupted, rescue_job, repair_workflow.
-- The caller holds the job rows, or the workflows. Writes: workflow_node.
create function end_nodes(job_ids bigint[], states node_state[]) returns void
language plpgsql
set enable_seqscan = off set enable_nestloop = on set enable_hashjoin = off set enable_mergejoin = off set jit = off
set plan_cache_mode = force_generic_plan as $$
begin
    update workflow_node n
       set state = u.state, ended_at = clock_timestamp(), pending_parents = 0,
           returned = u.state = 'succeeded' and exists (select from job_result r where r.job_id = n.job_id)
      from unnest(job_ids, states) as u(id, state) where n.job_id = any (array[u.id]);  -- see claim
end $$;

-- lock_workflows: takes the rows of the workflows of these jobs. Called by: finish_nodes, cancel_waiting, update_job,
-- hold_parents. From here to the end of the transaction nothing else moves inside them.
create function lock_workflows(job_ids bigint[]) returns void
language plpgsql
set enable_seqscan = off set enable_nestloop = on set enable_hashjoin = off set enable_mergejoin = off set jit = off
set plan_cache_mode = force_generic_plan as $$
begin
    perform from workflow w where w.id = any (array(
        select distinct n.workflow_id from unnest(job_ids) as u(id),
               lateral (select workflow_id from workflow_node where job_id = u.id offset 0) n))
      order by w.id for no key update;
end $$;

-- node_ended: every end of a node, by whatever statement, is handled here. Called by: the trigger of this name on workflow_node.
-- settle updates nodes itself, so the trigger fires once more; then nothing but `skipped` has ended, and that is settled already.
-- pg_trigger_depth() would be shorter, and wrong where a user's own trigger finishes a job.
create function node_ended() returns trigger
language plpgsql set search_path from current set enable_seqscan = off set jit = off as $$
declare
    ended  bigint[];
    states node_state[];
    flows  bigint[];
    again  bool;
begin
    select array_agg(job_id), array_agg(state), array_agg(workflow_id), exists (select from old_node where ended_at is not null)
      into ended, states, flows, again
      from new_node where ended_at is not null and state <> 'skipped';
    if again then  -- some had ended before; a join of the two could become quadratic
        select array_agg(n.job_id), array_agg(n.state), array_agg(n.workflow_id) into ended, states, flows
          from (select job_id from new_node where ended_at is not null and state <> 'skipped'
                except select job_id from old_node where ended_at is not null) x,
               lateral (select job_id, state, workflow_id from workflow_node where job_id = x.job_id offset 0) n;
    end if;
    if ended is not null then
        perform settle(ended, '{}', states, flows);
    end if;
    return null;
end $$;
