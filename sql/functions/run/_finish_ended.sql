-- finish_ended: moves succeeded and cancelled jobs to the history and stores their results; returns the ids it moved, and those of
-- them that are nodes of a workflow, with the state they end in.
-- Called by: finish, complete, which pin the plan. Writes: job, job_history, job_result. Locks: job rows, SKIP LOCKED.
create function finish_ended(outcomes jsonb, out ended bigint[], out nodes bigint[], out states node_state[])
language plpgsql as $$
#variable_conflict use_column
declare
    freed text[];
begin
    with outcome as materialized (
        select * from jsonb_to_recordset(outcomes)
            as o(id bigint, token uuid, state text, reason final_reason, elapsed real, result jsonb, error jsonb)
         where state in ('succeeded', 'cancelled')
    ), held as materialized (
        select o.* from outcome o, lateral (
            select from job j where j.id = o.id and j.claim_token = o.token for update skip locked offset 0) j
    ), gone as (
        -- "= any (array[...])" has no merge order: a plan cached while the table was empty cannot walk the whole key instead.
        delete from job j using held h where j.id = any (array[h.id])
        returning j.*, h.state::job_state as final_state, h.reason, h.elapsed, h.result, h.error
    ), history as (
        insert into job_history (id, run_at, created_at, claimed_at, finished_at, worker_id, retry_of, workflow_id, state, reason,
                                 elapsed, priority, attempt, max_attempts, rescues, queue, task, args, retry, result_ttl,
                                 unique_key, unique_mode, meta, limits, cost, errors)
        select id, run_at, created_at, claimed_at, clock_timestamp(), worker_id, retry_of, workflow_id, final_state,
               case when final_state = 'cancelled' then coalesce(reason, 'user_requested') end,
               elapsed, priority, attempt, max_attempts, rescues, queue, task, args, retry, result_ttl, unique_key, unique_mode, meta, limits, cost,
               case when error is null then errors
                    else append_error(errors, attempt, worker_id, claimed_at, clock_timestamp(), null, error) end
          from gone
    ), stored as (
        insert into job_result (job_id, value, expires_at)
        select id, result, clock_timestamp() + coalesce(result_ttl, interval '24 hours') from gone
         where final_state = 'succeeded' and jsonb_typeof(result) <> 'null'
        on conflict (job_id) do update set value = excluded.value, expires_at = excluded.expires_at
    )
    select coalesce(array_agg(id), '{}'), array_agg(id) filter (where workflow_id is not null),
           array_agg(case final_state when 'succeeded' then 'succeeded' else 'cancelled' end::node_state)
               filter (where workflow_id is not null),
           array_agg(limits::text) filter (where holds_place)
      into ended, nodes, states, freed from gone;
    if freed is not null then
        perform free_keys(freed);
    end if;
end $$;
