-- complete: finish one claimed job that succeeded, as the last statement of its handler's own transaction: what the handler
-- wrote and the end of its job commit together. Returns NULL when done, else stale: then roll back, the job has another owner.
-- Called by: ctx.transaction(), handlers in other languages. Writes: job, job_history, job_result.
-- nodes: what the job adds to its own workflow, see add_nodes.
-- Locks: the job row, then its workflow. It waits for each, at most 5 s
-- (SQLSTATE 55P03), where finish would say busy: the transaction cannot come back later. No function waits for rows of the
-- application while it holds a job or a workflow. A transaction of the application does, that first calls depends_on,
-- extend_workflow, cancel_workflow, or cancel, update or retry of a node, and then waits for a row that the caller has: a
-- deadlock, or 5 s. So those calls belong at the end of a transaction.
create function complete(
    job_id bigint, token uuid, result jsonb default null, elapsed real default null, nodes jsonb default null
) returns text
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan set jit = off set lock_timeout = '5s' set extra_float_digits = 1 as $$
declare
    done record;
begin
    perform from job j where j.id = job_id and j.claim_token = token for update;
    if not found then
        return 'stale';
    end if;
    done := finish_ended(jsonb_build_array(jsonb_build_object(
        'id', job_id, 'token', token, 'state', 'succeeded', 'result', result, 'elapsed', elapsed)));
    if done.nodes is not null then
        perform finish_nodes(
                done.nodes, done.states,
                case when nodes is not null then jsonb_build_array(jsonb_build_object('id', job_id, 'nodes', nodes)) end);
    end if;
    return null;
end $$;
