-- explain: why a job is where it is: why it does not run yet and when it will, who runs it, or how it has ended. A row for each
-- cause, the decisive one first: what is not mended, or ends last, before what follows from it. What ends the job before it
-- starts comes last.
-- Called by: people, handles on a job, the command line. Writes: nothing. Locks: none.
-- One snapshot, so a job that moves meanwhile is seen in one place. Bounded: it counts 10,000 jobs at most, and names 10.
-- Raises PQ003 for an unknown job.
--
-- causes  blocked:   parents
--         scheduled: later, retry, snoozed, signal, put_off, due
--         ready:     limit_parked, limit_places, limit_tokens, limit_saving, suspect, busy, queued, next
--         all three: expired, paused, no_worker, unknown_task, locked, operation, expires, deadline
--         running:   worker_lost, running, cancel_asked, timeout, deadline, locked, operation
--         over:      succeeded, cancelled, skipped, expired, failed, retried, discarded
create function explain(job_id bigint) returns table (cause text, says text, until timestamptz, details jsonb)
language plpgsql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
set extra_float_digits = 1 as $$
#variable_conflict use_variable
begin
    return query select * from causes_of(job_id);
    if not found then
        perform assert_known(job_id);
    end if;
end $$;

-- explain_each: the decisive cause of each of some jobs, of the first 100, in one call. state: NULL = it is over. A job of which
-- nothing is known is left out.
-- Called by: those whose wait for jobs has timed out. Writes: nothing. Locks: none. Bounded as explain is, for each job.
create function explain_each(job_ids bigint[]) returns table (
    job_id bigint, state job_state, cause text, says text, until timestamptz, details jsonb
)
language sql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
set extra_float_digits = 1 as $$
    select asked.id, j.state, c.cause, c.says, c.until, c.details
      from unnest(explain_each.job_ids[1:100]) with ordinality as asked(id, place)
      left join lateral (select state from job where id = asked.id offset 0) j on true
     cross join lateral (select * from causes_of(asked.id) limit 1) c
     order by asked.place
$$;

-- causes_of: what explain says; no row of a job of which nothing is known. Called by: explain, explain_each. Writes: nothing.
create function causes_of(job_id bigint) returns setof cause
language plpgsql stable as $$
#variable_conflict use_variable
declare
    its    job;
    holder xid;
begin
    select j.* into its from job j where j.id = job_id;
    if not found then
        return query select * from why_over(job_id);
        return;
    end if;
    select j.xmax into holder from job j where j.id = job_id;
    if its.state = 'running' then
        return query select * from why_running(its);
        return query select * from held_by('the job', holder);
        return query select h.* from workflow w, held_by(format('its workflow %s', w.id), w.xmax) h where w.id = its.workflow_id;
    else
        return query select * from why_waiting(its, holder);
    end if;
    return query select * from operations_on(its.id);
    return query select * from ends_of(its);
end $$;

-- why_waiting: the causes of a job that has not started. Called by: causes_of. Writes: nothing.
-- holder: of its row, see held_by.
create function why_waiting(its job, holder xid) returns setof cause
language plpgsql stable as $$
declare
    causes cause[] := array(select expired_of(its)) || array(select held_by('the job', holder));
begin
    if its.state = 'blocked' then
        causes := causes || array(select parents_of(its));
    elsif its.state = 'scheduled' then
        causes := causes || case when its.unknown_since is not null then array(select workers_for(its)) end
                         || array(select time_of(its));
    end if;
    causes := causes || array(select pauses_on(its));
    if its.state <> 'scheduled' or its.unknown_since is null then
        causes := causes || array(select workers_for(its));
    end if;
    if its.state = 'ready' then
        causes := causes || array(select turn_of(its, cardinality(causes) > 0));
    end if;
    return query select * from unnest(causes);
end $$;
