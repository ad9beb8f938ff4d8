-- insert_nodes: the jobs of new nodes; those with parents blocked. Called by: prepare_nodes. Writes: job.
create function insert_nodes(flow bigint, nodes jsonb) returns bigint[]
language plpgsql as $$
begin
    if jsonb_path_exists(nodes, 'strict $[*] ? (exists(@.unique_mode) || exists(@.unique_key) || exists(@.unique_period)
                                           || exists(@.limits) || exists(@.fair) || exists(@.cost)
                                           || exists(@.expires_at) || exists(@.expires_after) || exists(@.total_timeout))') then
        return insert_nodes_singly(flow, nodes);
    end if;
    return insert_plain_nodes(flow, nodes);
end $$;

-- insert_plain_nodes: insert_job for nodes of which none is unique, limited or ends by a time, in one statement: a statement for
-- each costs three times as much.
-- Called by: insert_nodes; fire_together, for jobs without a workflow. Writes: job.
create function insert_plain_nodes(flow bigint, nodes jsonb) returns bigint[]
language plpgsql as $$
#variable_conflict use_column
declare
    ids   bigint[] := array(select nextval('job_id_seq') from generate_series(1, jsonb_array_length(nodes)));
    awake record;
begin
    for awake in
        with inserted as (
            insert into new_job overriding system value
            select stored.*, due, clock_timestamp(),
                   case when jsonb_array_length(nullif(element->'after', 'null')) > 0 then 'blocked' else state_at(due) end,
                   coalesce(priority, 0), coalesce(retries, 3) + 1, coalesce(queue, 'default'), task,
                   case when args is null then '{}' when jsonb_typeof(args) = 'object' and bytes is null then args
                        else check_args(args) end, bytes,
                   ids[place], flow
              from jsonb_array_elements(nodes) with ordinality as e(element, place),
                   jsonb_to_record(element) as j(
                       task text, args jsonb, queue text, priority int, run_at timestamptz, run_after interval, retries int),
                   stored_of(element) as stored,
                   lateral (select check_enqueue(j.task, coalesce(j.queue, 'default'), coalesce(j.priority, 0), j.run_at,
                                                 j.run_after, j.retries, stored) as due, large_bytes(j.args) as bytes
                             offset 0) c
            returning queue, run_at, state
        )
        select queue, min(run_at) as due from inserted where state <> 'blocked' group by queue
    loop
        perform wake_for(awake.queue, awake.due);
    end loop;
    return ids;
end $$;

-- insert_nodes_singly: the same, one by one: each may find another job in its way, or have a lane. Called by: insert_nodes.
-- Writes: job, unique_hold, turn.
create function insert_nodes_singly(flow bigint, nodes jsonb) returns bigint[]
language plpgsql as $$
#variable_conflict use_column
declare
    given record;
    added record;
    ids   bigint[];
begin
    for given in
        select j.*, place, stored_of(element) as stored, element->>'name' as name,
               coalesce(jsonb_array_length(nullif(element->'after', 'null')), 0) > 0 as waits,
               case when coalesce(unique_mode, unique_key) is not null
                    then unique_digest(task, coalesce(args, '{}'), unique_key) end as digest
          from jsonb_array_elements(nodes) with ordinality as e(element, place),
               jsonb_to_record(element) as j(
                   task text, args jsonb, queue text, priority int, run_at timestamptz, run_after interval, retries int,
                   unique_mode text, unique_key text, unique_period interval,
                   limits text[], fair text, cost int, limits_declared text[])
         order by digest nulls first, unique_mode = 'period', place
    loop
        added := insert_job(given.task, coalesce(given.args, '{}'), coalesce(given.queue, 'default'), coalesce(given.priority, 0),
                            given.run_at, given.run_after, given.retries, given.stored,
                            given.unique_mode, given.unique_key, given.unique_period,
                            row(given.limits, given.fair, given.cost, given.limits_declared)::limiting, flow, given.waits);
        if added.duplicate then
            raise exception 'nodes: job % stands in the way of node %, which is unique; wait for it, or leave unique out',
                added.id, coalesce(given.name, given.place::text) using errcode = 'PQ004';
        end if;
        ids[given.place] := added.id;
        if not given.waits then
            perform wake_for(coalesce(given.queue, 'default'), added.due);
        end if;
    end loop;
    return ids;
end $$;
