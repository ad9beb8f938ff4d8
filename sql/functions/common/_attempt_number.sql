-- attempt_number: the number of an attempt over the whole life of a job: those before its last retry by hand count, too. Its row
-- counts from that retry, because the policy of its retries and its expiry do. The same with the number of attempts that it may
-- have. Views have the expression itself, since who reads them need not be allowed to call this.
-- Called by: claim, claim_jobs, claimed_jobs, listed, changed_in, watch, save_step, note_soft_timeouts, functions that append an
-- error, functions of explain. Writes: nothing. Inlined, hence no settings.
create function attempt_number(attempt smallint, terms jsonb) returns smallint
language sql immutable as $$
    select case when terms is null then attempt
                else least(attempt + coalesce((terms->>'attempts_before')::int, 0), 32767)::smallint end
$$;
