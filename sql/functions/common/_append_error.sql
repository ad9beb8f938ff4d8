-- append_error: adds one attempt to a job's errors and keeps the last 20.
-- Called by: finish_ended, finish_unended, end_waiting, end_interrupted, rescue_job, drop_oldest, skip_nodes. Writes: nothing.
-- Text is cut, never refused: a long traceback must not lose a job.
create function append_error(
    errors jsonb, attempt int, worker_id uuid, started_at timestamptz, ended_at timestamptz, retry_at timestamptz, error jsonb
) returns jsonb
language sql stable as $$
    select case when jsonb_array_length(list) > 20 then list - 0 else list end
      from (select coalesce(errors, '[]') || (jsonb_build_object(
                'attempt', attempt, 'worker_id', worker_id, 'started_at', in_utc(started_at), 'ended_at', in_utc(ended_at),
                'retry_at', in_utc(retry_at),
                'type', left(error->>'type', 200),
                'message', left(error->>'message', 4096),
                'traceback', right(error->>'traceback', 16384))
                || case when jsonb_typeof(error->'cause') = 'object' then cut_cause(error->'cause') else '{}' end)
           ) as appended(list)
$$;

-- cut_cause: the innermost cause of an error, see error_identity. Called by: append_error. Writes: nothing.
create function cut_cause(cause jsonb) returns jsonb
language sql immutable as $$
    select jsonb_build_object('cause', jsonb_build_object(
        'type', left(cause->>'type', 200), 'message', left(cause->>'message', 1000), 'frames', right(cause->>'frames', 4096)))
$$;
