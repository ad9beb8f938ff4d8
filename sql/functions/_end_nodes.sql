-- end_nodes: says that nodes have ended, and how. The trigger node_ended releases or skips what hangs on them.
-- Called by: finish, cancel, cancel_workflow, rescue_job. Writes: workflow_node. Locks: the workflows, in order of their ids.
create function end_nodes(job_ids bigint[], states node_state[]) returns void
language plpgsql set enable_seqscan = off set enable_nestloop = on set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan as $$
begin
    perform lock_workflows(job_ids);
    update workflow_node n set state = u.state, ended_at = clock_timestamp(), pending_parents = 0, returned = r.job_id is not null
      from unnest(job_ids, states) as u(id, state), lateral (select ctid as at from workflow_node where job_id = u.id offset 0) c
      left join lateral (select job_id from job_result where job_id = u.id offset 0) r on true
     where n.ctid = c.at;
end $$;

-- lock_workflows: takes the rows of the workflows of these jobs. Called by: end_nodes, finish_nodes, cancel, update.
-- From here to the end of the transaction nothing else moves inside them.
create function lock_workflows(job_ids bigint[]) returns void
language plpgsql set enable_seqscan = off set enable_nestloop = on set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan as $$
begin
    perform from workflow w where w.id = any (array(
        select distinct n.workflow_id from unnest(job_ids) as u(id),
               lateral (select workflow_id from workflow_node where job_id = u.id offset 0) n))
      order by w.id for no key update;
end $$;

-- node_ended: whoever ends a node, by whatever statement, ends it here. Called by: the trigger of this name on workflow_node.
-- Settling is a statement of its own after the lock: it sees what was committed while this one waited for it.
-- It updates nodes itself, so the trigger fires once more; then nothing but `skipped` has ended, and that is settled already.
-- pg_trigger_depth() would be shorter, and wrong where a user's own trigger finishes a job.
create function node_ended() returns trigger
language plpgsql set search_path from current set enable_seqscan = off as $$
declare
    ended bigint[];
    flows bigint[];
begin
    select array_agg(job_id), array_agg(distinct workflow_id) into ended, flows
      from (select workflow_id, job_id from new_node where ended_at is not null and state <> 'skipped'
            except
            select workflow_id, job_id from old_node where ended_at is not null) x;
    if ended is not null then
        perform from workflow where id = any (flows) order by id for no key update;
        perform settle(ended);
    end if;
    return null;
end $$;
