-- cancel_running: asks a running job to stop, or with `force` ends it now; see cancel. NULL when it does not run (any more).
-- Called by: cancel_job, which pins the plan. Writes: job, forced_cancel; see fence. Locks: the job row, for which it waits;
-- then, to end a node, its workflow. That is the order of finish: the caller must not hold the workflow.
create function cancel_running(job_id bigint, request jsonb, force bool, force_at timestamptz) returns text
language plpgsql as $$
#variable_conflict use_variable
declare
    token uuid;
begin
    -- Not by its state, which would let an old plan walk the index of running jobs.
    update job j set control = with_request(j.control, request)
     where j.id = job_id and j.claim_token is not null returning j.claim_token into token;
    if not found then
        return null;
    end if;
    perform wake('!cancel');
    if force then
        perform fence(job_id, token);
        return 'fenced';
    elsif force_at is not null then
        insert into forced_cancel as f (job_id, token, at) values (job_id, token, force_at)
        on conflict on constraint forced_cancel_pkey do update
           set token = excluded.token, asked_at = excluded.asked_at,
               at = case when f.token = excluded.token then least(f.at, excluded.at) else excluded.at end;
    end if;
    return 'asked';
end $$;

-- with_request: what is known of a job out of the ordinary, with another request to cancel it. The last one counts, but an
-- earlier time at which it is ended by force stays, and so does a note if the new one has none. Called by: cancel_running,
-- cancel_waiting, cancel_plain. Writes: nothing.
create function with_request(control jsonb, request jsonb) returns jsonb
language sql immutable as $$
    select coalesce(control, '{}') || jsonb_build_object('cancel', jsonb_strip_nulls(
        coalesce(control->'cancel', '{}') || request
        || jsonb_build_object('force_at', least(control->'cancel'->>'force_at', request->>'force_at'))))
$$;

-- fence: ends a running job as cancelled, whatever its worker does. Its token goes with it, so nothing that the run still hands
-- in counts. Returns whether it did: not when the row is locked, or the job is not this token's any more.
-- Called by: cancel_running, which holds the row, and end_forced; they pin the plan. Writes: see finish_ended, and settle.
create function fence(job_id bigint, token uuid) returns bool
language plpgsql as $$
declare
    done record := finish_ended(jsonb_build_array(jsonb_build_object('id', job_id, 'token', token, 'state', 'cancelled')));
begin
    if done.nodes is not null then
        perform end_nodes(done.nodes, done.states);
    end if;
    return done.ended <> '{}';
end $$;
