-- enqueue_workflow: adds a workflow with its nodes, all or nothing, and returns its id and those of its jobs in the order given.
-- Called by: applications, in their own transaction or alone; psql; triggers. Writes: workflow and what add_nodes writes.
--
-- nodes        see add_nodes; parents stand before their children
-- name         for people; need not be unique
-- on_success   a job that is added when every node that had to run has succeeded: options of enqueue, {"task": ..., "args": ...}
-- on_failure   a job that is added when the workflow has finished and a node is a dead letter
--              Each is added once whenever the workflow finishes, in the transaction of the last node's end; it is no node.
--              Its meta is {"workflow_id", "workflow", "outcome"}. It cannot be unique.
-- trace        as in enqueue, for all of these jobs but those that have one of their own
create function enqueue_workflow(
    nodes jsonb, name text default null, on_success jsonb default null, on_failure jsonb default null,
    trace jsonb default null, out workflow_id bigint, out job_ids bigint[]
)
language plpgsql security definer set search_path from current as $$
begin
    if length(name) not between 1 and 200 then
        perform invalid('name', name, 'use 1 to 200 characters');
    end if;
    if trace is not null then
        trace := check_trace(trace);
        nodes := with_traces(nodes, trace);
        on_success := with_trace(on_success, trace);
        on_failure := with_trace(on_failure, trace);
    end if;
    if exists (select from queue q where q.name > '') then
        perform check_depths(nodes);
    end if;
    on_success := checked_callback('on_success', on_success);
    on_failure := checked_callback('on_failure', on_failure);
    insert into workflow as w (name, on_success, on_failure) values (name, on_success, on_failure)
    returning w.id into workflow_id;
    job_ids := add_nodes(workflow_id, nodes);
end $$;

-- with_trace: a job with a trace, unless it has one; what is no object is refused later.
-- Called by: enqueue_workflow, with_traces. Writes: nothing.
create function with_trace(job jsonb, trace jsonb) returns jsonb
language sql stable as $$
    select case when jsonb_typeof(job) = 'object' then jsonb_build_object('trace', trace) || job else job end
$$;

-- with_traces: with_trace of each of an array of jobs. Called by: enqueue_workflow. Writes: nothing.
create function with_traces(jobs jsonb, trace jsonb) returns jsonb
language plpgsql as $$
begin
    if jsonb_typeof(jobs) is distinct from 'array' then
        return jobs;
    end if;
    return (select coalesce(jsonb_agg(with_trace(job, trace) order by place), '[]')
              from jsonb_array_elements(jobs) with ordinality as e(job, place));
end $$;

-- checked_callback: a job as it is kept until the workflow ends, see lasting. Refuses one that could not be enqueued: enqueues it
-- and takes it back. Called by: enqueue_workflow. Writes: nothing that stays.
create function checked_callback(field text, callback jsonb) returns jsonb
language plpgsql as $$
begin
    if callback is null then
        return null;
    elsif jsonb_typeof(callback) <> 'object' or callback ?| '{meta,depends_on,run_if}' then
        perform invalid(field, callback::text, 'give one object with the options of enqueue, without meta and depends_on');
    elsif callback ?| '{unique_mode,unique_key,unique_period}' then  -- it would wait for its key while it holds the workflow
        perform invalid(field, callback::text, 'it cannot be unique; leave unique_mode, unique_key and unique_period out');
    end if;
    callback := lasting(callback);
    begin
        perform insert_each(jsonb_build_array(callback));
        raise exception using errcode = 'PQ999';
    exception when sqlstate 'PQ999' then null;  -- not PQ000: that stands for the whole class, refusals among it
    end;
    return callback;
end $$;
