-- prune_requests: forgets requests after a day, at most so many a call. Returns whether there may be more.
-- Called by: prune. Writes: idempotent_request.
create function prune_requests(most int) returns bool
language plpgsql set enable_seqscan = off set jit = off as $$
declare
    gone int;
begin
    delete from idempotent_request where ctid = any (array(
        select ctid from idempotent_request
         where created_at < (select clock_timestamp()) - interval '24 hours' order by created_at limit most
           for update skip locked));
    get diagnostics gone = row_count;
    return gone = most;
end $$;
