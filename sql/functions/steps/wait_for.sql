-- wait_for: what a running job is told about a signal that it waits for. It does not wait itself: a job that has to wait ends its
-- run with the outcome `waiting`, see finish.
-- Called by: handlers. Writes: job_signal. Locks: the job row, waits for it at most 5 s.
--   signaled   it has come: payload
--   timed_out  it has not come in time, and does not come any more: a later signal is refused, so that each further run is told
--              the same
--   waits      until then, as the outcome takes it; NULL = without limit. The time counts from the first call, whatever becomes
--              of the run.
--   stale      nothing was changed, the job is not this token's any more
-- timeout: NULL = without limit.
-- Raises PQ001 for a name or a timeout that is not valid, and for the 1,001st signal of a job.
create function wait_for(
    job_id bigint, token uuid, name text, timeout interval default null,
    out answer text, out payload jsonb, out until text
)
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off
set plan_cache_mode = force_generic_plan set lock_timeout = '5s' as $$
#variable_conflict use_variable
declare
    its  job_signal%rowtype;
    now_ timestamptz;
begin
    perform check_step_name('signal', name);
    perform check_interval('timeout', timeout);
    perform from job j where j.id = job_id and j.claim_token = token for update;
    if not found then
        answer := 'stale';
        return;
    end if;
    now_ := clock_timestamp();  -- after the lock
    select * into its from job_signal s where s.job_id = job_id and s.name = name;
    if not found then
        perform assert_signal_fits(job_id, 'signal', name);
        insert into job_signal (job_id, name, waited_at, until) values (job_id, name, now_, now_ + timeout) returning * into its;
    elsif its.waited_at is null then
        update job_signal s set waited_at = now_, until = now_ + timeout where s.job_id = job_id and s.name = name
        returning * into its;
    end if;
    if its.ended_at is null and its.until <= now_ then
        update job_signal s set ended_at = now_, timed_out = true where s.job_id = job_id and s.name = name returning * into its;
    end if;
    answer := case when its.ended_at is null then 'waits' when its.timed_out then 'timed_out' else 'signaled' end;
    payload := its.payload;
    until := in_utc(its.until);
end $$;

-- assert_signal_fits: raises PQ001 for the 1,001st signal of a job. Called by: wait_for, signal, which hold the job.
-- Writes: nothing.
create function assert_signal_fits(job_id bigint, field text, name text) returns void
language plpgsql as $$
#variable_conflict use_variable
begin
    if (select count(*) from job_signal s where s.job_id = job_id) >= 1000 then
        perform refuse_more_steps(field, name, 'signals', job_id);
    end if;
end $$;
