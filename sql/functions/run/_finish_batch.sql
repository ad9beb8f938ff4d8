-- finish_batch: finish without its lock_timeout. Called by: finish, which pins the plan: rows are found by primary key alone; any
-- other index is full of entries of finished jobs under a long snapshot.
-- handled, nodes, states: what finish_ended has returned; finish calls it itself, as most batches need no more than that.
create function finish_batch(
    outcomes jsonb, additions jsonb, handled bigint[] default null, nodes bigint[] default null, states node_state[] default null
) returns table (job_id bigint, verdict text, run_at timestamptz)
language plpgsql as $$
#variable_conflict use_column
declare
    is_node bool;
    limits  text[];
    parks   text[];
    limited bigint[];
    freed   text[];
begin
    if handled is null then
        select f.ended, f.nodes, f.states into handled, nodes, states from finish_ended(outcomes) f;
    end if;
    if cardinality(handled) < jsonb_array_length(outcomes) then
        perform invalid('state', o.state, 'use succeeded, cancelled, failed, snoozed, waiting, rate_limited or unknown_task')
           from jsonb_to_recordset(outcomes) as o(state text)
          where coalesce(o.state, '')
               not in ('succeeded', 'cancelled', 'failed', 'snoozed', 'waiting', 'rate_limited', 'unknown_task');
        perform refund(array_agg(o.id), array_agg(o.token))
           from jsonb_to_recordset(outcomes) as o(id bigint, token uuid, state text)
          where o.state = 'unknown_task' having count(*) > 0;
        for job_id, verdict, run_at, is_node, limits, parks in select * from finish_unended(outcomes) loop
            handled := handled || job_id;
            if is_node then
                nodes := nodes || job_id;
                states := states || (case verdict when 'dead_letter' then 'failed' else verdict end)::node_state;
            end if;
            if parks is not null then
                perform park_keys(parks, run_at);
            end if;
            if limits is not null then
                limited := limited || job_id;
                freed := freed || limits::text;
            end if;
            return next;
        end loop;
        if limited is not null then
            perform take_turns(limited);
            perform free_keys(freed);
        end if;
        return query
        select o.id, case when j.id is null then 'stale' else 'busy' end, null::timestamptz
          from jsonb_to_recordset(outcomes) as o(id bigint, token uuid)
          left join lateral (select id from job j where j.id = o.id and j.claim_token = o.token offset 0) j on true
         where o.id <> all (handled);
    end if;
    if nodes <> '{}' then
        perform finish_nodes(nodes, states, additions);
    end if;
end $$;

-- finish_nodes: ends nodes after adding what those that have succeeded add to their workflows. Called by: finish, finish_batch,
-- complete.
-- The jobs are added before the workflows are taken, because a unique one may have to wait for its key, and taken back if a
-- workflow was cancelled meanwhile. Each job's keys come in order; between two batches in which several jobs add some, the
-- lock_timeout decides.
create function finish_nodes(nodes bigint[], states node_state[], additions jsonb) returns void
language plpgsql as $$
#variable_conflict use_variable
declare
    added jsonb;
begin
    if additions is not null then
        with addition as materialized (
            select n.workflow_id as flow, a->'nodes' as nodes
              from jsonb_array_elements(additions) as a join workflow_node n on n.job_id = (a->>'id')::bigint
              join unnest(nodes, states) as ended(id, state) on ended.id = n.job_id
             where ended.state = 'succeeded' and not is_cancelled(n.workflow_id)  -- asked to stop or not, it has succeeded
        )
        select jsonb_agg(jsonb_build_object('flow', flow, 'nodes', a.nodes, 'ids', p.ids, 'names', p.names)) into added
          from addition a, lateral prepare_nodes(flow, a.nodes) p;
    end if;
    if added is not null then
        perform lock_workflows(nodes);  -- all of them in order, before the first addition takes its own
        perform link_added(flow, a.nodes, ids, names)
           from jsonb_to_recordset(added) as a(flow bigint, nodes jsonb, ids bigint[], names jsonb);
    end if;
    perform end_nodes(nodes, states);
end $$;

-- link_added: makes nodes of the jobs that a node of this workflow has added, or takes them back. Called by: finish_nodes.
create function link_added(flow bigint, nodes jsonb, ids bigint[], names jsonb) returns void
language plpgsql as $$
begin
    if is_cancelled(flow) then
        delete from job where id = any (ids);
        delete from unique_hold where job_id = any (ids);
    else
        perform link_nodes(flow, nodes, ids, names);
    end if;
end $$;
