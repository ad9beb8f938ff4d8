-- run_steps: the steps that a job has done, for the run that has it: an object of their values by name.
-- Called by: the REST API. Writes: nothing. Returns NULL when the job is not this token's any more.
create function run_steps(job_id bigint, token uuid) returns jsonb
language sql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
    select coalesce((select jsonb_object_agg(s.name, s.value) from job_step s where s.job_id = j.id), '{}')
      from job j where j.id = run_steps.job_id and j.claim_token = run_steps.token
$$;
