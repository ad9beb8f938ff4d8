-- do_job: acts on one job as an operation says. Called by: do_group, which holds the job, and try_one. Writes, raises: see
-- cancel, retry, discard and update; the audit log has the operation.
create function do_job(its operation, job_id bigint) returns job_outcome
language plpgsql as $$
declare
    result job_outcome := row(job_id, null, null, null, false);
    again  record;
begin
    case its.kind
        when 'cancel' then
            result.did := cancel_job(job_id, its.asked_by, its.reason, coalesce((its.spec->>'force')::bool, false),
                                 (its.spec->>'force_after')::interval);
        when 'retry' then
            again := retry_job(job_id, its.asked_by, null, its.spec->'rules', (its.spec->>'keep_attempts')::bool,
                           (its.spec->>'run_after')::interval, (its.spec->>'force')::bool);
            if again.duplicate then
                result.skipped := 'has a unique key that another job holds';
            else
                result.did := 'retried';
            end if;
        when 'discard' then
            perform discard_job(job_id, its.asked_by, its.reason);
            result.did := 'discarded';
        else
            perform update_job(job_id, its.spec->'args', (its.spec->>'priority')::int, (its.spec->>'run_at')::timestamptz, null,
                               its.spec->>'queue');
            result.did := 'updated';
    end case;
    return result;
end $$;

-- try_one: do_job in a subtransaction of its own: an error is the outcome of this job, and concerns no other. Called by:
-- do_group. Writes: see do_job.
create function try_one(its operation, job_id bigint) returns job_outcome
language plpgsql as $$
begin
    return do_job(its, job_id);
exception
    when lock_not_available or deadlock_detected or serialization_failure then
        return row(job_id, null, null, null, true)::job_outcome;
    when sqlstate 'PQ003' or sqlstate 'PQ004' then  -- "job_id: job 5 is running; …": what is said of it, without its id
        return row(job_id, null, left(split_part(regexp_replace(sqlerrm, '^job_id: job [0-9]+ ', ''), ';', 1), 100), null,
                   false)::job_outcome;
    when others then
        return row(job_id, null, null, sqlerrm, false)::job_outcome;
end $$;

-- cancel_plain: cancels jobs that neither run nor belong to a workflow, all with one statement, as cancel does with each: the
-- usual case, several times as fast. NULL, and nothing is done, if one of them is another kind of job. Called by: do_group, which
-- holds the jobs. Writes: job; see cancel_held.
create function cancel_plain(its operation, job_ids bigint[]) returns job_outcome[]
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
declare
    request jsonb := new_request(its.asked_by, its.reason, null);
begin
    if its.kind <> 'cancel'
       or exists (select from job j where j.id = any (job_ids) and (j.state = 'running' or j.workflow_id is not null)) then
        return null;
    end if;
    update job j set control = with_request(j.control, request) where j.id = any (job_ids);
    perform cancel_held(job_ids);
    return array(select row(u.id, 'cancelled', null, null, false)::job_outcome from unnest(job_ids) as u(id));
end $$;
