-- result: how a job stands and what it returned. Called by: handles that wait for a result. Writes: nothing.
--   state     NULL when there is no such job (any more)
--   expired   it succeeded, but the time its result is kept is over
--   value     NULL unless it succeeded with a value other than null
--   error     of a dead letter: its last error
create function result(job_id bigint, out state job_state, out reason final_reason, out value jsonb, out expired bool, out error jsonb)
language plpgsql stable security definer set search_path from current as $$
#variable_conflict use_variable
begin
    select j.state into state from job j where j.id = job_id;
    if found then
        return;
    end if;
    select d.state, d.reason, d.errors->-1 into state, reason, error from dead_letter d where d.id = job_id;
    if found then
        return;
    end if;
    select h.state, h.reason, r.value, h.state = 'succeeded' and h.finished_at + coalesce(h.result_ttl, interval '24 hours') < clock_timestamp()
      into state, reason, value, expired
      from job_history h left join job_result r on r.job_id = h.id and r.expires_at >= clock_timestamp()
     where h.id = result.job_id;
end $$;
