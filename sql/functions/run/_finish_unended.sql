-- finish_unended: decides about jobs that did not end well: run again later, or become dead letters.
-- Called by: finish_batch, which pins the plan. Writes: job, dead_letter, job_history, unkept_end. Locks: job rows, SKIP LOCKED.
-- Returns a row for each job it changed; the verdicts are those of finish. is_node: a node of a workflow has ended.
-- A node of a workflow that was cancelled does not run again: if it failed, it is a dead letter, and if it wanted to come
-- back, it is cancelled.
-- A job that was asked to stop is cancelled in both cases, unless it has failed for good.
create function finish_unended(outcomes jsonb)
returns table (job_id bigint, verdict text, run_at timestamptz, is_node bool, limits text[], parks text[])
language plpgsql as $$
#variable_conflict use_column
declare
    ended_at timestamptz := clock_timestamp();
    unkept   text[] := case when exists (select from queue q where q.name > '') then unkept() end;
begin
    return query
    with outcome as materialized (
        select * from jsonb_to_recordset(outcomes)
            as o(id bigint, token uuid, state text, reason final_reason, elapsed real, error jsonb,
                 delay float8, not_before float8, final bool, key text, signal text, until timestamptz)
         where state in ('failed', 'snoozed', 'waiting', 'unknown_task', 'rate_limited')
    ), held as materialized (
        select o.*, j.* from outcome o, lateral (
            select attempt, max_attempts, retry, worker_id, errors as earlier, unknown_since, workflow_id, limits, queue,
                   deadline_at, expires_at, terms, control, coalesce(control ? 'cancel', false) as asked
              from job j where j.id = o.id and j.claim_token = o.token for update skip locked offset 0) j
    ), timed as materialized (
        select h.*, state <> 'failed' and (stops or asked) as cancelled, case
                   when state = 'waiting' and not (stops or asked) then wakes_at(control, signal, until, deadline_at, ended_at)
                   else ended_at + case
                   when stops or asked and state <> 'failed' then null
                   when state = 'unknown_task'
                       then least(interval '60 s', greatest(interval '5 s', ended_at - unknown_since),
                                  -- In time for a worker that has the task.
                                  case when least(expires_at, deadline_at) is not null
                                       then greatest(interval '0.1 s', (least(expires_at, deadline_at) - ended_at) / 4) end)
                   when state = 'failed' and (final or attempt >= max_attempts
                                             or delay is null and not retry_applies(retry, error->'types'))
                       then null
                   when delay <= 1e9 then make_interval(secs => greatest(delay, 0))  -- nearly always: no call
                   when delay is not null then delay_of(id, delay, ended_at)
                   else greatest(retry_delay(retry, attempt), make_interval(secs => least(coalesce(not_before, 0), 1e9)))
               end end as wanted_at
          from held h, lateral (select coalesce(workflow_id is not null and is_cancelled(workflow_id, id), false) as stops) s
    ), decided as materialized (
        select t.*, a.*, case when limits is null and state <> 'rate_limited' or again_at is null or state = 'waiting' then null
                         else keys_to_park(limits, queue, state = 'rate_limited', key) end as parks,
               case when state = 'failed'
                   then append_error(earlier, attempt_number(attempt, terms), worker_id,
                                     ended_at - make_interval(secs => coalesce(least(greatest(elapsed, 0), 1e9), 0)),
                                     ended_at, again_at, error)
                    when is_late then append_error(earlier, attempt_number(attempt, terms), worker_id, null,
                                                     ended_at, null, late_error(terms))
                    else earlier
               end as all_errors
          -- What would run again past its deadline has ended now.
          from timed t, lateral (select wanted_at >= deadline_at as is_late,
                                        case when wanted_at >= deadline_at or asked then null else wanted_at end as again_at) a
    -- "= any (array[...])": see finish_ended.
    ), again as (
        update job j
           set state = (case when d.again_at > ended_at and d.parks is null then 'scheduled' else 'ready' end)::job_state,
               run_at = case when d.parks is null then d.again_at else j.run_at end, put_off_at = ended_at,
               attempt = j.attempt - (d.state <> 'failed')::int, claim_token = null, worker_id = null, claimed_at = null,
               rescues = case when d.state = 'unknown_task' then j.rescues else 0 end, errors = d.all_errors,
               control = case when d.state = 'waiting' and d.again_at > ended_at
                              then waiting_for(j.control - array['interrupted', 'killed'], d.signal, d.until)
                              when j.control is not null
                              then nullif(j.control - array['waits_for', 'interrupted', 'killed'], '{}') end,
               unknown_since = case when d.state = 'unknown_task' then coalesce(j.unknown_since, ended_at) end
          from decided d where j.id = any (array[d.id]) and d.again_at is not null
        returning j.id, d.again_at, j.limits, d.parks
    ), gone as (
        delete from job_kept k using decided d, lateral (
               select d.cancelled or (d.asked and d.wanted_at is not null and d.is_late is not true) as cancelled) s
         where k.id = any (array[d.id]) and d.again_at is null
        returning ended_at as finished_at, (case when s.cancelled then 'cancelled' else 'failed' end)::job_state as state,
                  case when s.cancelled then 'user_requested' when d.is_late and d.state <> 'failed' then 'timeout'
                       else coalesce(d.reason, 'error') end,
                  sane_elapsed(d.elapsed) as elapsed, d.all_errors, k.*
    ), dead as (
        insert into dead_letter select e.*, g.* from gone g, lateral error_identity(g.all_errors) e where state = 'failed'
        returning id, workflow_id, limits
    ), history as (
        insert into job_history
        select null, g.* from gone g where state = 'cancelled' and is_kept('cancelled', g.queue, g.workflow_id, unkept)
    ), lost as (
        insert into unkept_end
        select u.*
          from (select array_agg(row(g.finished_at, g.queue, g.task, g.state, g.priority, g.attempt, g.elapsed, g.run_at,
                                     g.created_at, g.claimed_at, g.control)::job_end) as ends
                  from gone g where unkept is not null and g.state = 'cancelled'
                                and not is_kept('cancelled', g.queue, g.workflow_id, unkept)) l, lateral unkept_rows(l.ends) u
    )
    select id, 'scheduled', again_at, false, limits, parks from again
    union all
    select id, 'dead_letter', null, workflow_id is not null, limits, null from dead
    union all
    select id, 'cancelled', null, workflow_id is not null, limits, null from gone g where g.state = 'cancelled';
end $$;

-- delay_of: the delay of an outcome as an interval; a negative one means at once. Writes: nothing.
-- Called by: finish_unended, for more than 31 years.
-- Raises PQ001 when it ends after the year 9999, which neither Python nor people can read.
create function delay_of(job_id bigint, delay float8, ended_at timestamptz) returns interval
language plpgsql as $$
begin
    if (delay <= 1e12) is not true or ended_at + make_interval(secs => greatest(delay, 0)) > '9999-12-30' then
        perform invalid('delay', delay::text,
                format('give an interval that ends between the years 1 and 9999; it is of job %s', job_id));
    end if;
    return make_interval(secs => greatest(delay, 0));
end $$;

-- wakes_at: when a job that waits for a signal runs again: now if the signal has come. Called by: finish_unended.
-- Writes: nothing.
-- control is that of the row as it is locked: a signal that was committed after the statement began is there.
-- At its deadline expire ends the job. Until then it may be told, even if it would wait for longer.
create function wakes_at(
    control jsonb, signal text, until timestamptz, deadline_at timestamptz, ended_at timestamptz
) returns timestamptz
language plpgsql as $$
begin
    perform check_step_name('signal', signal);
    return case when control->'signals' ? signal then ended_at
                else greatest(least(until, deadline_at - interval '1 microsecond', '9999-12-30Z'), ended_at) end;
end $$;

-- waiting_for: job.control of a job that waits for a signal. Called by: finish_unended. Writes: nothing.
create function waiting_for(control jsonb, signal text, until timestamptz) returns jsonb
language sql stable as $$
    select coalesce(control, '{}')
           || jsonb_build_object('waits_for', jsonb_build_object('signal', signal, 'until', in_utc(until)))
$$;
