-- finish_ended: moves succeeded and cancelled jobs to the history, unless their queue keeps none (see is_kept), and stores their
-- results; returns the ids of the jobs, and those of them that are nodes of a workflow, with the state they end in.
-- Called by: finish, complete, finish_batch, fence; their callers pin the plan. Writes: job, job_history, job_result,
-- unkept_end.
-- Locks: job rows, SKIP LOCKED.
create function finish_ended(outcomes jsonb, out ended bigint[], out nodes bigint[], out states node_state[])
language plpgsql as $$
#variable_conflict use_column
declare
    freed  text[];
    lost   job_end[];
    unkept text[] := case when exists (select from queue q where q.name > '') then unkept() end;
begin
    with outcome as materialized (
        select * from jsonb_to_recordset(outcomes)
            as o(id bigint, token uuid, state text, reason final_reason, elapsed real, result jsonb, error jsonb)
         where state in ('succeeded', 'cancelled')
    ), held as materialized (
        select o.*, j.* from outcome o, lateral (
            select result_ttl, workflow_id, limits, holds_place, errors
              from job j where j.id = o.id and j.claim_token = o.token for update skip locked offset 0) j
    ), gone as (
        -- "= any (array[...])" has no merge order: a plan cached while the table was empty cannot walk the whole key instead.
        delete from job_kept k using held h where k.id = any (array[h.id])
        returning null::timestamptz, clock_timestamp(), h.state::job_state,
                  case when h.state = 'cancelled' then coalesce(h.reason, 'user_requested') end,
                  sane_elapsed(h.elapsed) as elapsed,
                  case when h.error is null then h.errors
                       else append_error(h.errors, attempt_number(k.attempt, k.terms), k.worker_id, k.claimed_at,
                                         clock_timestamp(), null, h.error) end,
                  k.*
    ), history as (
        insert into job_history select g.* from gone g where is_kept(g.state::text, g.queue, g.workflow_id, unkept)
    ), stored as (
        insert into job_result (job_id, value, expires_at)
        select id, case when octet_length(result::text) > result_bytes() then refused_result(id, result) else result end,
               clock_timestamp() + coalesce(result_ttl, interval '24 hours') from held
         where state = 'succeeded' and jsonb_typeof(result) <> 'null'
        on conflict (job_id) do update set value = excluded.value, expires_at = excluded.expires_at
    )
    select coalesce(array_agg(id), '{}'), array_agg(id) filter (where workflow_id is not null),
           array_agg(state::node_state) filter (where workflow_id is not null),
           array_agg(limits::text) filter (where holds_place),
           (select array_agg(row(clock_timestamp(), g.queue, g.task, g.state, g.priority, g.attempt, g.elapsed, g.run_at,
                                 g.created_at, g.claimed_at, g.control)::job_end)
              from gone g where unkept is not null and not is_kept(g.state::text, g.queue, g.workflow_id, unkept))
      into ended, nodes, states, freed, lost from held;  -- all that were held have gone
    if lost is not null then
        perform note_unkept(lost);
    end if;
    if freed is not null then
        perform free_keys(freed);
    end if;
end $$;

-- result_bytes: how many bytes of JSON text a result, or that of a step, may have, 64 MiB: the most that max_result_bytes can be.
-- Called by: finish_ended, refused_result, save_step. Inlined, hence no settings.
create function result_bytes() returns int
language sql immutable as $$ select 67108864 $$;

-- refused_result: raises PQ001 for a result that is too large. Called by: finish_ended. Writes: nothing.
create function refused_result(job_id bigint, result jsonb) returns jsonb
language plpgsql as $$
begin
    perform check_size(format('result of job %s', job_id), result, result_bytes());
    return result;
end $$;
