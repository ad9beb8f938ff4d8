-- may_start: whether a ready job has neither expired nor passed its deadline. An attempt that counts was a start.
-- Called by: claim, pick_suspect, pick_others, oldest_ready, claim_gated, claim_lanes, end_waiting, as a filter. Writes: nothing.
-- Inlined, hence no settings.
create function may_start(expires_at timestamptz, deadline_at timestamptz, attempt smallint) returns bool
language sql as $$
    select (expires_at is null or attempt > 0 or expires_at > clock_timestamp())
       and (deadline_at is null or deadline_at > clock_timestamp())
$$;
