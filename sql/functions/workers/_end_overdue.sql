-- end_overdue: ends runs of living workers that have passed their timeout, or the deadline of their job, by a lease or more: the
-- worker should have ended them itself. The attempt fails with reason timeout; its policy decides whether the job runs again.
-- Called by: rescue. Writes, locks: see finish. Each run is ended separately, like those that rescue takes.
-- A run counts from when its handler started, as its worker says in its heartbeat, and not from the claim: it may have waited in
-- the worker. Its token names the run: a newer run of the same job is not meant.
create function end_overdue(want int) returns int
language plpgsql as $$
declare
    run     record;
    verdict text;
    taken   int := 0;
    held    bigint[] := '{}';  -- workflows
begin
    for run in
        select r.id, r.token, r.elapsed, j.most, j.is_late, j.terms, j.workflow_id
          from (select t.id, t.token, w.lease,
                       t.seconds + greatest(extract(epoch from clock_timestamp() - w.heartbeat_at), 0)::float8 as elapsed
                  from worker w, jsonb_to_recordset(w.timed) as t(id bigint, token uuid, seconds float8)
                 where w.timed is not null and w.state = 'active') r,
               lateral (
               select terms, workflow_id, (terms->>'timeout')::float8 as most,
                      deadline_at + r.lease < clock_timestamp() as is_late
                 from job where id = r.id and claim_token = r.token offset 0) j
         where r.elapsed > j.most + extract(epoch from r.lease) or j.is_late
         limit want
    loop
        continue when run.workflow_id = any (held);
        begin
            verdict := (select f.verdict from finish(jsonb_build_array(jsonb_build_object(
                'id', run.id, 'token', run.token, 'state', 'failed', 'reason', 'timeout', 'elapsed', run.elapsed,
                'error', jsonb_build_object(
                    'type', 'pgqueue.errors.Timeout',
                    'types', '["pgqueue.errors.Timeout", "pgqueue.errors.PgQueueError", "Exception", "BaseException"]'::jsonb,
                    'message', case when run.is_late then late_error(run.terms)->>'message'
                                    else format('its timeout is %s s; after %s s its worker had not ended it',
                                                run.most, round(run.elapsed::numeric, 1)) end)))) f);
            taken := taken + (verdict not in ('busy', 'stale'))::int;
        exception
            when lock_not_available then held := held || run.workflow_id;  -- the next call tries again
            when others then raise warning 'job % could not be ended at its timeout: %', run.id, sqlerrm;
        end;
    end loop;
    return taken;
end $$;
