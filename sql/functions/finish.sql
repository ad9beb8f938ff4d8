-- finish: takes the outcomes of claimed jobs and moves each job on.
-- Called by: workers; complete, fail, snooze. Writes: job, job_history, dead_letter, job_result.
-- Locks: job rows, SKIP LOCKED: one that somebody else holds comes back `busy` and stalls nobody.
--
-- outcomes: [{"id", "token", "state", ...}, ...], a job at most once
--   succeeded     result: stored unless absent or null
--   cancelled     reason: default user_requested; error: kept with the job, says why
--   failed        error {"type", "types" (class names up the inheritance), "message", "traceback"};
--                 delay: seconds, instead of the policy's; final: true = no retry; reason: default error
--   snoozed       delay: seconds; the attempt does not count
--   unknown_task  the worker has no such task: snoozed 5 s, doubling to 60 s
-- Every outcome may carry elapsed, the seconds its handler took.
--
-- Returns a row for each outcome that did not simply end its job as it said:
--   scheduled (run_at)   it runs again then
--   dead                 it failed for good
--   busy                 nothing was changed, try again
--   stale                nothing was changed, the job is not this token's any more
-- Raises PQ001, and changes nothing, when an outcome has no such state.
create function finish(outcomes jsonb) returns table (job_id bigint, verdict text, run_at timestamptz)
-- Pinned, see claim: rows are found by primary key alone; any other index is full of entries of finished jobs under a long snapshot.
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan set jit = off set lock_timeout = '5s' as $$
#variable_conflict use_column
declare
    handled bigint[] := finish_ended(outcomes);
begin
    if cardinality(handled) = jsonb_array_length(outcomes) then
        return;
    end if;
    perform invalid('state', o.state, 'use succeeded, cancelled, failed, snoozed or unknown_task')
       from jsonb_to_recordset(outcomes) as o(state text)
      where coalesce(o.state, '') not in ('succeeded', 'cancelled', 'failed', 'snoozed', 'unknown_task');
    for job_id, verdict, run_at in select * from finish_unended(outcomes) loop
        handled := handled || job_id;
        return next;
    end loop;
    return query
    select o.id, case when j.id is null then 'stale' else 'busy' end, null::timestamptz
      from jsonb_to_recordset(outcomes) as o(id bigint, token uuid)
      left join lateral (select id from job j where j.id = o.id and j.claim_token = o.token offset 0) j on true
     where o.id <> all (handled);
end $$;
