-- complete: finish one claimed job that succeeded, as the last statement of its handler's own transaction: what the handler
-- wrote and the end of its job commit together. Returns NULL when done, else stale: then roll back, the job has another owner.
-- Called by: ctx.transaction(), handlers in other languages. Writes: job, job_history, job_result.
-- nodes: what the job adds to its own workflow, see add_nodes.
-- Locks: the job row, then its workflow. It waits for each, at most 5 s (SQLSTATE 55P03), where finish would say busy: the transaction cannot come
-- back later. Nobody waits for the caller's rows while holding a job row: workers lock job rows SKIP LOCKED and nothing of
-- others after them, cancel, retry and progress lock one and nothing after it. So a deadlock takes somebody who locks job rows by
-- hand and then the caller's.
create function complete(job_id bigint, token uuid, result jsonb default null, elapsed real default null, nodes jsonb default null)
returns text
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan set jit = off set lock_timeout = '5s' as $$
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
        perform finish_nodes(done.nodes, done.states, case when nodes is not null
                                                      then jsonb_build_array(jsonb_build_object('id', job_id, 'nodes', nodes)) end);
    end if;
    return null;
end $$;
