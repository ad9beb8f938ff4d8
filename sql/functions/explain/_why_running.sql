-- why_running: who runs a job, for how long, and what ends the run. Called by: causes_of. Writes: nothing.
create function why_running(its job) returns setof cause
language plpgsql stable as $$
declare
    its_worker worker;
    timeout    float8 := (its.terms->>'timeout')::float8;
    asked      jsonb := its.control->'cancel';
    forced     timestamptz := (select at from forced_cancel f where f.job_id = its.id and f.token = its.claim_token);
    ends       timestamptz;
    told       jsonb;
begin
    select w.* into its_worker from worker w where w.id = its.worker_id;
    told := jsonb_build_object(
        'worker_id', its.worker_id, 'worker', its_worker.name, 'host', its_worker.host, 'pid', its_worker.pid,
        'seconds', round(seconds_until(clock_timestamp(), its.claimed_at)::numeric, 3),
        'heartbeat_seconds', round(seconds_until(clock_timestamp(), its_worker.heartbeat_at)::numeric, 3),
        'lease', extract(epoch from its_worker.lease), 'attempt', attempt_number(its.attempt, its.terms),
        'max_attempts', attempt_number(its.max_attempts, its.terms),
        'progress', its.progress);
    if its_worker.id is null or not is_alive(its_worker) then
        return next row('worker_lost', coalesce(
                'its worker ' || said_worker(its_worker) || ' has been silent since ' || said_since(its_worker.heartbeat_at),
                format('its worker %s is gone', its.worker_id))
            || case when exists (select from worker w where is_alive(w)) then '; another one takes the job back within its lease'
                    else '; no other one is alive that could take the job back' end, null, told)::cause;
    else
        return next row('running', format('worker %s has been running it since %s, attempt %s of %s; last heartbeat at %s%s%s',
            said_worker(its_worker), said_since(its.claimed_at), attempt_number(its.attempt, its.terms),
            attempt_number(its.max_attempts, its.terms),
            said_since(its_worker.heartbeat_at),
            case when its_worker.heartbeat_at > its.claimed_at and its.id <> all (its_worker.started)
                 then ', before its handler began' else '' end,
            coalesce('; ' || said_progress(its.progress), '')), null, told)::cause;
    end if;
    if asked is not null then
        return next row('cancel_asked', format('%s has asked at %s that it stops%s%s', said_name(asked->>'by'),
            said_time((asked->>'at')::timestamptz), coalesce(' (' || left(asked->>'note', 200) || ')', ''),
            coalesce('; by force at ' || said_at(forced), '')), forced, asked)::cause;
    end if;
    if timeout is not null then
        ends := its.claimed_at + make_interval(secs => least(timeout, 1e9));
        return next row('timeout', format('its timeout of %s ends the run at about %s', said_span(timeout), said_time(ends)),
                        ends, jsonb_build_object('timeout', timeout))::cause;
    end if;
end $$;

-- said_worker: a worker in words; NULL for none. Called by: why_running. Writes: nothing.
create function said_worker(w worker) returns text
language sql stable as $$
    select case when w.id is not null
                then said_name(w.name) || case when w.name = w.host || ':' || w.pid then ''
                                               else format(' (process %s on %s)', w.pid, w.host) end end
$$;

-- said_progress: what a handler has reported last; NULL for nothing. Called by: why_running. Writes: nothing.
create function said_progress(progress jsonb) returns text
language sql stable as $$
    select concat('progress ' || (progress->>'done'), ' of ' || (progress->>'total'), ': ' || left(progress->>'note', 200))
     where progress is not null
$$;
