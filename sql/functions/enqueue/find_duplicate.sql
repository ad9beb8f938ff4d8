-- find_duplicate: the job that would stand in the way of a unique one, NULL when it would be added. Options as in enqueue.
-- Called by: applications that look before they enqueue. Writes: nothing. The answer may be over when it arrives.
-- Raises PQ001 for a mode that does not exist and for names that the arguments do not have.
create function find_duplicate(
    task text, args jsonb default '{}', unique_mode text default 'until_done', unique_key text default null
) returns bigint
language plpgsql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
declare
    digest bytea := unique_digest(task, args, find_duplicate.unique_key);
begin
    perform check_unique(unique_mode, case when unique_mode = 'period' then interval '1 s' end);
    if unique_mode = 'period' then
        return (select h.job_id from unique_hold h where h.unique_key = digest and h.expires_at > clock_timestamp());
    end if;
    return (select j.id from job j where j.unique_key = digest);
end $$;
