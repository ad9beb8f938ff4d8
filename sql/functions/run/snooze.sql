-- snooze: finish one claimed job that wants to run again later; the attempt does not count. A thin name for finish.
-- delay in seconds; returns scheduled, cancelled (it was asked to stop, or its workflow was cancelled), busy or stale.
create function snooze(job_id bigint, token uuid, delay float8) returns text
language sql security definer set search_path from current as $$
    select verdict from finish(jsonb_build_array(jsonb_build_object(
        'id', job_id, 'token', token, 'state', 'snoozed', 'delay', delay)))
$$;
