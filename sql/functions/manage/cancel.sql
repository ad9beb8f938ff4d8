-- cancel: ends a job, or asks its worker to end it. It goes to the history with reason user_requested and with control.cancel:
-- who asked, when, and why.
--   cancelled  it had not started, and is over
--   asked      it runs: its worker is told, and ends it where it can. If it succeeds or fails for good before, that counts; if it
--              would run again, of whatever cause, it ends as cancelled instead
--   fenced     it ran, and is over (force): the worker drops the run, and nothing that it still hands in counts
-- Called by: applications, operators. Writes: job, job_history, forced_cancel, audit_log; see settle for what the end of a node
-- writes.
-- Locks: of a job that waits the workflow, then the job row; of one that runs the job row, then for force the workflow. It waits
-- for both, so a transaction that cancels several nodes of one workflow sets a lock_timeout.
-- Raises PQ001 for a bad value, PQ003 for an unknown job and PQ004 for one that is over; nothing is changed then.
--
-- by           who asks; NULL = the user of the session
-- force        end it now although it runs: its handler may still be at work, and effects outside of the database may follow
-- force_after  ask, and end it by force when it still runs after this time, whatever its worker does; see end_forced
create function cancel(
    job_id bigint, by text default null, note text default null, force bool default false, force_after interval default null
) returns text
language plpgsql security definer set search_path from current as $$
declare
    before jsonb := job_facts(job_id);
    said   text := cancel_job(job_id, by, note, force, force_after);
begin
    perform audit('cancel', 'job', job_id::text, by, note, before, jsonb_build_object(
        'did', said, 'force', nullif(force, false), 'force_after', force_after));
    return said;
end $$;

-- cancel_job: cancel, without a line in the audit log. Called by: cancel, do_job. Writes, locks, raises: see cancel.
create function cancel_job(job_id bigint, by text, note text, force bool, force_after interval) returns text
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_variable
declare
    force_at timestamptz;
    request  jsonb;
    its      record;
    said     text;
begin
    perform check_force(force, force_after);
    force_at := clock_timestamp() + force_after;
    request := new_request(check_by(by), check_reason('note', note), force_at);
    loop
        select j.state, j.workflow_id is not null as is_node into its from job j where j.id = job_id;
        if not found then
            perform refuse(job_id, 'a job that is over cannot be cancelled');
        elsif its.state = 'running' then
            said := cancel_running(job_id, request, force, force_at);
        elsif its.is_node then
            begin
                said := cancel_waiting(job_id, request);
                if said is null then  -- it has started: let the workflow go before waiting for a row that a finish may hold
                    raise exception 'job % has started', job_id using errcode = 'PQ000';
                end if;
            exception when sqlstate 'PQ000' then null;
            end;
        else
            said := cancel_waiting(job_id, request);
        end if;
        if said is not null then
            return said;
        end if;
    end loop;
end $$;

-- check_force: refuses bad values. Called by: cancel_job, checked_spec. Writes: nothing. Raises PQ001.
create function check_force(force bool, force_after interval) returns void
language plpgsql as $$
begin
    if force is null then
        perform invalid('force', null, 'use true or false');
    end if;
    if force and force_after is not null then
        perform invalid('force_after', force_after::text, 'leave it out with force, which ends the job now');
    end if;
    if force_after not between interval '0' and interval '365 days' then
        perform invalid('force_after', force_after::text, 'use an interval from 0 to 365 days');
    end if;
end $$;

-- new_request: the value of control.cancel. Called by: cancel_job, cancel_plain. Writes: nothing.
create function new_request(by text, note text, force_at timestamptz) returns jsonb
language sql stable as $$
    select jsonb_strip_nulls(jsonb_build_object(
               'by', by, 'note', note, 'at', in_utc(clock_timestamp()), 'force_at', in_utc(force_at)))
$$;
