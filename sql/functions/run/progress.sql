-- progress: how far a running job has come; shown as `progress` in the view jobs: {"done", "total", "note", "at"}.
-- Called by: handlers. Writes: job; no indexed column, so it is a HOT update. Locks: the job row, waits for it at most 5 s.
-- Returns whether the job is still this token's; if not, nothing was changed.
-- Raises PQ001 when done is not 0 or more, total not above 0, done more than total, or note longer than 1,000 characters.
create function progress(job_id bigint, token uuid, done float8, total float8 default null, note text default null) returns bool
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off
set plan_cache_mode = force_generic_plan set lock_timeout = '5s' set extra_float_digits = 1 as $$
#variable_conflict use_variable
begin
    if (done >= 0 and done < 'infinity') is not true then
        perform invalid('done', done::text, 'use a number of 0 or more');
    end if;
    if not (total > 0 and total < 'infinity') then
        perform invalid('total', total::text, 'use a number above 0, or NULL when it is not known');
    end if;
    if done > total then
        perform invalid('done', done::text, format('total is %s; use no more than that', total));
    end if;
    if length(note) > 1000 then
        perform invalid('note', note, format('it has %s characters; use at most 1,000', length(note)));
    end if;
    update job j
       set progress = jsonb_build_object('done', done, 'total', total, 'note', note, 'at', in_utc(clock_timestamp()))
     where j.id = job_id and j.claim_token = token;
    return found;
end $$;
