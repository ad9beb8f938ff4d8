-- result: how a job stands and what it returned. Called by: handles on a job, extend_result. Writes: nothing.
--   state       NULL when there is no such job (any more), or its queue keeps no history and it has returned nothing
--   expired     it succeeded, but its result is not kept any more: its time is over, or it was deleted
--   value       NULL unless it succeeded with a value other than null
--   error       of a dead letter: its last error; of a node that was skipped: which jobs it needed, see skipped_error;
--               of one that was cancelled: who asked, and why
--   task        its task; NULL of a job of which only the result is left
--   expires_at  until when its result is kept; NULL when none is. A null is not stored, and kept as long as a value would be.
--   elapsed     seconds in the handler; NULL unless it is over
create function result(job_id bigint, out state job_state, out reason final_reason, out value jsonb, out expired bool,
                       out error jsonb, out task text, out expires_at timestamptz, out elapsed real)
-- Pinned, see claim: waiters ask often, and a plan made while the tables were empty would scan them.
language plpgsql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_variable
begin
    select j.state, j.task into state, task from job j where j.id = job_id;
    if found then
        return;
    end if;
    select d.state, d.reason, d.errors->-1, d.task, d.elapsed into state, reason, error, task, elapsed
      from dead_letter d where d.id = job_id;
    if found then
        return;
    end if;
    select h.state, h.reason, r.value, h.task, h.elapsed,
           case when h.reason = 'dependency_failed' then skipped_error(h.id, h.errors)
                when h.state = 'cancelled' and h.control ? 'cancel'
                then jsonb_build_object('message', concat_ws(
                     ': ', 'by ' || (h.control->'cancel'->>'by'), h.control->'cancel'->>'note'))
           end,
           case when h.state = 'succeeded'
                then coalesce(h.result_expires_at, r.expires_at, h.finished_at + coalesce(h.result_ttl, interval '24 hours')) end
      into state, reason, value, task, elapsed, error, expires_at
      from job_history h left join job_result r on r.job_id = h.id
     where h.id = result.job_id;
    if not found then  -- its queue keeps no history; the result says that it has succeeded
        select 'succeeded', r.value, r.expires_at into state, value, expires_at from job_result r where r.job_id = result.job_id;
    end if;
    expired := expires_at <= clock_timestamp();
    if expired then  -- it may still be there, until maintain
        value := null;
        expires_at := null;
    end if;
end $$;
