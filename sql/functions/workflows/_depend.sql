-- depend: lets new jobs, blocked ones, wait for jobs that are there, live or over. Plain parents are adopted.
-- Called by: enqueue, enqueue_many, insert_each, enqueue_select. Writes: job, workflow, workflow_node, workflow_edge.
-- Locks: the rows of plain parents, live or over, in the order of their ids, then the workflow.
create function depend(job_ids bigint[], parents bigint[], run_if text) returns void
language plpgsql set enable_seqscan = off set jit = off as $$
#variable_conflict use_variable
declare
    flow  bigint;
    maker text := maker();
begin
    perform check_run_if(run_if);
    if array_position(parents, null) is not null or cardinality(parents) = 0 then
        perform invalid('depends_on', parents::text, 'give the ids of the jobs to wait for, at least one');
    elsif cardinality(parents) > 1000 then
        perform invalid('depends_on', cardinality(parents)::text,
                'name at most 1000 jobs: their rows are locked until the transaction ends; put jobs in between');
    elsif exists (select unnest(parents) intersect select unnest(job_ids)) then
        perform invalid('depends_on', parents::text, 'a job cannot wait for itself');
    elsif job_ids = '{}' then
        return;
    end if;
    parents := array(select id from unnest(parents) with ordinality as p(id, place) group by id order by min(place));
    flow := adopt(parents);
    perform grow_workflow(flow, cardinality(job_ids), format('depends_on: job %s is in workflow %%s, which', parents[1]));
    insert into workflow_node (job_id, workflow_id, state, pending_parents, task, has_parents, made_by)
    select id, flow, 'blocked', cardinality(parents), task, true, maker from job where id = any (job_ids);
    insert into workflow_edge (workflow_id, parent_id, child_id, run_if, position, withheld)
    select flow, parent_id, child_id, run_if, position, maker is not null and is_withheld(parent_id, maker)
      from unnest(parents) with ordinality as p(parent_id, position), unnest(job_ids) as c(child_id);
    update job set workflow_id = flow where id = any (job_ids);
    perform settle('{}', job_ids);
end $$;

-- check_run_if: refuses a policy that does not exist. Called by: depend; enqueue and its kind where it says something and there
-- are no parents. Writes: nothing.
create function check_run_if(run_if text) returns void
language plpgsql as $$
begin
    if run_if is null or run_if not in ('succeeded', 'finished', 'failed') then
        perform invalid('run_if', run_if, 'use succeeded, finished or failed');
    end if;
end $$;

-- hold_parents: takes whatever several calls of depend in one transaction would take, so that two such transactions take it in
-- one
-- order: all plain parents, then all workflows. Called by: insert_each, before the first of them.
create function hold_parents(parents bigint[]) returns void
language plpgsql as $$
#variable_conflict use_variable
begin
    perform hold_plain(parents);
    perform lock_workflows(parents);
end $$;

-- hold_plain: takes the rows of those of these jobs that are in no workflow, wherever they are. Called by: hold_parents, adopt.
create function hold_plain(parents bigint[]) returns void
language plpgsql set enable_seqscan = off set jit = off as $$
#variable_conflict use_variable
begin
    perform from job j where j.id = any (parents) and j.workflow_id is null order by j.id for no key update;
    perform from dead_letter d where d.id = any (parents) and not is_node(d.id) order by d.id for no key update;
    perform from job_history h where h.id = any (parents) and not is_node(h.id) order by h.id for no key update;
end $$;

-- adopt: the workflow of these jobs; plain ones become nodes of it, or of a new one. Called by: depend.
-- A job that is just being finished or retried is where it was, or where it goes, and a workflow may just be pruned: so until all
-- are found.
create function adopt(parents bigint[]) returns bigint
language plpgsql set enable_seqscan = off set jit = off as $$
#variable_conflict use_variable
declare
    flow  bigint;
    flows text;
    lost  bigint;
begin
    for try in 1..10 loop
        perform hold_plain(parents);
        select min(id), string_agg(id::text, ' and ' order by id)
          into flow, flows
          from workflow w where w.id in (select n.workflow_id from workflow_node n where n.job_id = any (parents));
        if (select count(distinct n.workflow_id) from workflow_node n where n.job_id = any (parents)) > 1 then
            perform invalid('depends_on', parents::text,
                    format('they are in several workflows: %s; all must be in one or in none', flows));
        end if;
        if flow is null then
            insert into workflow default values returning id into flow;
        else
            perform from workflow w where w.id = flow for no key update;
            continue when not found;  -- pruned in this moment: its jobs are plain again
        end if;
        perform adopt_into(flow, parents);
        select id into lost from unnest(parents) as p(id)
         where not is_node(id) limit 1;
        if lost is null then
            return flow;
        end if;
        delete from workflow w where w.id = flow and w.nodes = 0;
    end loop;
    raise exception 'depends_on: there is no job %; it never existed, or the history no longer keeps it', lost
        using errcode = 'PQ003';
end $$;

-- adopt_into: makes nodes of those of these jobs that are plain. Called by: adopt. Writes: job, dead_letter, job_history,
-- workflow, workflow_node.
create function adopt_into(flow bigint, parents bigint[]) returns void
language plpgsql set enable_seqscan = off set jit = off as $$
begin
    with live as (
        update job set workflow_id = flow where id = any (parents) and workflow_id is null returning id, task
    ), dead as (
        update dead_letter set workflow_id = flow where id = any (parents) and not is_node(id) returning id, task, finished_at
    ), over as (
        update job_history set workflow_id = flow where id = any (parents) and not is_node(id)
        returning id, task, finished_at, state,
                  coalesce(result_expires_at, finished_at + coalesce(result_ttl, interval '24 hours')) as kept_until
    ), node as (
        insert into workflow_node (job_id, workflow_id, state, pending_parents, task, ended_at, returned)
        select id, flow, 'live'::node_state, 0, task, null, false from live
        union all select id, flow, 'failed', 0, task, finished_at, false from dead
        union all  -- a null is kept as long as a value would be, see result
        select id, flow, state::text::node_state, 0, task, finished_at,
               state = 'succeeded'
               and (kept_until <= clock_timestamp() or exists (select from job_result r where r.job_id = over.id))
          from over
        returning state
    ), counted as (
        select count(*)::int as nodes, (count(*) filter (where state = 'live'))::int as open, max(state) as outcome
          from node having count(*) > 0
    )
    update workflow w
       set nodes = w.nodes + c.nodes, open = w.open + c.open,
           finished_at = case when w.open + c.open = 0 then clock_timestamp() end,
           outcome = case when w.open + c.open = 0 then greatest(w.outcome, c.outcome) end
      from counted c where w.id = flow;
end $$;

-- is_node: whether a job is a node of a workflow that is still kept. Called by: adopt, adopt_into, hold_plain. Writes: nothing.
create function is_node(job_id bigint) returns bool
language sql stable as $$
    select exists (select from workflow_node n where n.job_id = is_node.job_id)
$$;
