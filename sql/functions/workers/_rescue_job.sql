-- rescue_job: takes one running job from its lost worker. Returns 1, or 0 if another transaction has moved it.
-- Called by: rescue. Writes: job, dead_letter, rescue_log. Locks: the job row, SKIP LOCKED, then the workflow of a
-- node that ends.
-- A started job has used up its attempt, any other has not. A job that may have been running when its worker was lost is a
-- suspect from the second time on (see pick_suspect) and comes back with a delay; the third time it fails for good as `crashed`.
-- One that alone may have been running when its process was killed, twice in a row, fails for good, whatever retries are left.
-- because, reason, alone: why the worker was lost, and whether no other job may have been running, see bury_worker; NULL = not
-- known.
-- A job that was asked to stop, or whose workflow was cancelled, is cancelled instead.
create function rescue_job(job_id bigint, token uuid, started bool, may_have_started bool, because text default null,
                           reason final_reason default null, alone bool default false) returns int
language plpgsql as $$
declare
    lost      job%rowtype;
    again_at  timestamptz := clock_timestamp();
    kills     int;
    cancelled bool;
    crashed   bool;
    parks     text[];
begin
    select * into lost from job where id = job_id and claim_token = token for update skip locked;
    if not found then
        return 0;
    end if;
    lost.rescues := lost.rescues + may_have_started::int;
    started := started or alone is true;  -- it may have started later than its worker has said
    kills := coalesce((lost.control->>'killed')::int, 0) + (alone is true)::int;
    if alone then
        lost.control := coalesce(lost.control, '{}') || jsonb_build_object('killed', kills);
    end if;
    cancelled := coalesce(lost.control ? 'cancel', false)
                 or (lost.workflow_id is not null and is_cancelled(lost.workflow_id, lost.id));
    crashed := not cancelled and may_have_started
               and (lost.rescues >= 3 or kills >= 2 or started and lost.attempt >= lost.max_attempts);
    if lost.rescues >= 2 then
        again_at := again_at + retry_delay(null, lost.rescues);
    end if;
    lost.errors := append_error(lost.errors, attempt_number(lost.attempt, lost.terms), lost.worker_id, lost.claimed_at,
                                clock_timestamp(),
                                case when not crashed and not cancelled then again_at end,
                                jsonb_build_object('type', 'WorkerLost', 'message',
                                                   coalesce(because, 'the worker missed its lease')));
    if crashed then
        update job set rescues = lost.rescues, control = lost.control where id = job_id;
        with gone as (
            delete from job_kept k where k.id = job_id
            returning clock_timestamp(), 'failed'::job_state, coalesce(reason, 'crashed'), null::real, lost.errors, k.*
        )
        insert into dead_letter select e.*, g.* from gone g, lateral error_identity(lost.errors) e;
        if lost.workflow_id is not null then
            perform end_nodes(array[lost.id], '{failed}');
        end if;
    else
        if lost.limits is not null and lost.rescues >= 2 and not cancelled then
            parks := keys_to_park(lost.limits, lost.queue, false, null);
            perform park_keys(parks, again_at);
        end if;
        update job
           set state = (case when again_at > clock_timestamp() and parks is null then 'scheduled' else 'ready' end)::job_state,
               run_at = case when lost.rescues >= 2 and parks is null then again_at else lost.run_at end,
               put_off_at = clock_timestamp(),
               attempt = lost.attempt - (not started)::int, rescues = lost.rescues, errors = lost.errors,
               claim_token = null, worker_id = null, claimed_at = null,
               control = nullif(lost.control - 'waits_for', '{}'),
               -- A suspect stands in a lane apart, lest its like wait behind it; not where the order is to be kept.
               lane_id = case when lost.lane_id is not null and lost.rescues >= 2 and parks is null
                              then lane_of(lost.queue, lost.limits || ' suspect'::text)
                              else lost.lane_id end
         where id = job_id;
        if cancelled then
            perform cancel_held(array[lost.id]);
        else
            perform wake(lost.queue);
            if lost.lane_id is not null then
                perform take_turns(array[lost.id]);
            end if;
        end if;
    end if;
    if lost.holds_place then
        perform free_keys(array[lost.limits::text]);
    end if;
    insert into rescue_log (rescued_at, job_id, worker_id, queue, task, crashed)
    values (clock_timestamp(), lost.id, lost.worker_id, lost.queue, lost.task, crashed);
    return 1;
end $$;
