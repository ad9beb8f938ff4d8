-- steps: what a job has done of its work, in that order. Called by: handlers, people. Writes: nothing.
create function steps(job_id bigint) returns table (
    name text, value jsonb, started_at timestamptz, ended_at timestamptz, attempt smallint
)
language sql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
    select s.name, s.value, s.started_at, s.ended_at, s.attempt from job_step s where s.job_id = steps.job_id
     order by s.ended_at, s.started_at, s.name
$$;
