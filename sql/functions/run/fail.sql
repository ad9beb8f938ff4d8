-- fail: finish one claimed job that failed; its retry policy decides. A thin name for finish.
-- error {"type", "types", "message", "traceback"}; returns scheduled, dead_letter, busy or stale.
create function fail(job_id bigint, token uuid, error jsonb) returns text
language sql security definer set search_path from current as $$
    select verdict from finish(jsonb_build_array(jsonb_build_object(
        'id', job_id, 'token', token, 'state', 'failed', 'error', error)))
$$;
