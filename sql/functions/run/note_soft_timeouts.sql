-- note_soft_timeouts: notes with running jobs that they have passed their soft timeout: their terms get "soft_timed_out",
-- {"attempt", "elapsed", "at"}; of several attempts the last counts. The terms stay with the job when it is over.
-- Called by: workers. Writes: job; no indexed column, so it is a HOT update. Locks: job rows, SKIP LOCKED.
-- runs: [{"id", "token", "elapsed"}, ...]: elapsed are the seconds in the handler. A job that is not its token's any more is
-- left alone.
-- Returns the jobs that another transaction locks: nothing was noted, try again.
create function note_soft_timeouts(runs jsonb) returns setof bigint
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan set jit = off set lock_timeout = '100ms' set extra_float_digits = 1 as $$
declare
    noted bigint[];
begin
    with run as materialized (
        select * from jsonb_to_recordset(runs) as r(id bigint, token uuid, elapsed float8)
    ), held as materialized (
        select r.id, r.elapsed from run r, lateral (
            select from job j where j.id = r.id and j.claim_token = r.token for update skip locked offset 0) j
    ), changed as (
        update job j
           set terms = coalesce(j.terms, '{}') || jsonb_build_object('soft_timed_out', jsonb_build_object(
                   'attempt', attempt_number(j.attempt, j.terms), 'elapsed', h.elapsed, 'at', in_utc(clock_timestamp())))
          from held h where j.id = any (array[h.id])
        returning j.id
    )
    select coalesce(array_agg(c.id), '{}') into noted from changed c;
    return query
    select r.id from jsonb_to_recordset(runs) as r(id bigint, token uuid), lateral (
        select from job j where j.id = r.id and j.claim_token = r.token offset 0) j
     where r.id <> all (noted);
end $$;
