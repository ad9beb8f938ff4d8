-- complete: finish one claimed job that succeeded. A thin name for finish; returns NULL when done, else busy or stale.
create function complete(job_id bigint, token uuid, result jsonb default null) returns text
language sql security definer set search_path from current as $$
    select verdict from finish(jsonb_build_array(jsonb_build_object(
        'id', job_id, 'token', token, 'state', 'succeeded', 'result', result)))
$$;
