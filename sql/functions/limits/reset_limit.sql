-- reset_limit: fills a key's bucket, or those of all keys of a name; what runs and what is parked stays so.
-- Called by: operators, applications. Writes: bucket, turn, audit_log. Locks: the buckets, in order; waits for claims in
-- progress. Returns how many it filled; a key that was not used since is full already. Raises PQ001 when there is no such limit.
create function reset_limit(key text, by text default null) returns int
language plpgsql security definer set search_path from current set lock_timeout = '5s' as $$
#variable_conflict use_variable
declare
    filled int;
begin
    perform assert_limit(key);
    perform from bucket b where key in (b.key, split_part(b.key, ':', 1)) order by b.key for update;
    -- A statement after the locks: it sees what the claims that it waited for have written.
    update bucket b set tokens = null, used = 0 where key in (b.key, split_part(b.key, ':', 1));
    get diagnostics filled = row_count;
    perform open_limit(key);
    perform audit('reset_limit', 'limit', key, by, null, null, jsonb_build_object('buckets', filled));
    return filled;
end $$;
