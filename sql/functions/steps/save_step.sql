-- save_step: notes that a running job has done a step, and what that returned.
-- Called by: handlers, also inside a transaction of their own: then what they wrote and the step commit together, once.
-- Writes: job_step. Locks: the job row, waits for it at most 5 s, and keeps it until the transaction ends: so nobody else runs
-- the job, and reads its steps, while it is not known whether they commit.
-- Returns whether the job is still this token's; if not, nothing was changed. A step that is there already stays as it is.
-- elapsed: seconds that it took.
-- Raises PQ001 for a name that is not valid, and for the 1,001st step of a job.
create function save_step(
    job_id bigint, token uuid, name text, value jsonb default null, elapsed float8 default null
) returns bool
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off
set plan_cache_mode = force_generic_plan set lock_timeout = '5s' as $$
#variable_conflict use_variable
declare
    its_attempt smallint;
    done_at     timestamptz := clock_timestamp();
begin
    perform check_step_name('name', name);
    perform check_size('value', value, result_bytes());
    select attempt_number(j.attempt, j.terms) into its_attempt
      from job j where j.id = job_id and j.claim_token = token for update;
    if not found then
        return false;
    end if;
    insert into job_step as s (job_id, name, value, started_at, ended_at, attempt)
    select job_id, name, nullif(value, 'null'),
           done_at - make_interval(secs => least(greatest(coalesce(elapsed, 0), 0), 1e9)), done_at, its_attempt
     where (select count(*) from job_step s where s.job_id = job_id) < 1000
    on conflict on constraint job_step_pkey do nothing;
    if not found and not exists (select from job_step s where s.job_id = job_id and s.name = name) then
        perform refuse_more_steps('name', name, 'steps', job_id);
    end if;
    return true;
end $$;
