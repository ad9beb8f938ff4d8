-- with_left: the terms of a run with "left", the seconds until its deadline. Called by: claim, claim_jobs, claimed_jobs. Writes:
-- nothing.
create function with_left(terms jsonb, deadline_at timestamptz) returns jsonb
language sql stable as $$
    select terms || jsonb_build_object('left', round(extract(epoch from deadline_at - clock_timestamp()), 3))
$$;
