-- enqueue_once: enqueue_many, with options per job, for a request that may come again: the second time it adds nothing and
-- returns what the first has returned. The jobs and the memory of them commit together, so whoever dies, and whenever, the same
-- request can be sent again: either all of it was done, or nothing.
-- Called by: the REST API, for requests with an Idempotency-Key. Writes: idempotent_request; see enqueue_many.
-- Locks: the row of the key, for which it waits 50 ms at most; see enqueue_many.
-- Raises: see enqueue_many. A request that is refused leaves nothing behind, so it may come again.
--
-- owner   who sends it: keys of different owners have nothing to do with each other
-- key     chosen by the client, 1 to 255 characters; kept for 24 hours
-- digest  of the request
-- jobs    see enqueue_many
-- said    enqueued; repeated: it was done before; running: the first one has not ended; other: the key is that of another
--         request. Of the last two, ids and duplicates are NULL.
create function enqueue_once(owner text, key text, digest bytea, jobs jsonb,
                             out said text, out ids bigint[], out duplicates bool[])
language plpgsql security definer set search_path from current
-- Pinned: a plan kept from when the table was empty would scan it for the key.
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_variable
declare
    its idempotent_request;
begin
    perform check_length('owner', owner, 200), check_length('key', key, 255), check_length('digest', encode(digest, 'hex'), 128);
    if take_request(owner, key, digest) then
        select array_agg(j.id order by place), array_agg(j.duplicate order by place) into ids, duplicates
          from enqueue_many(jobs) with ordinality as j(id, duplicate, place);
        update idempotent_request r set ids = coalesce(ids, '{}'), duplicates = coalesce(duplicates, '{}')
         where r.owner = owner and r.key = key;
        said := 'enqueued';
        return;
    end if;
    -- A statement of its own: it sees what was committed while the row was waited for.
    select * into its from idempotent_request r
     where r.owner = owner and r.key = key and r.created_at > clock_timestamp() - interval '24 hours';
    said := case when not found then 'running' when its.digest = digest then 'repeated' else 'other' end;
    if said = 'repeated' then
        ids := its.ids;
        duplicates := its.duplicates;
    end if;
end $$;

-- take_request: makes the row of a request, or takes that of one a day ago. False: there is one, or another transaction is at it.
-- Called by: enqueue_once. Writes: idempotent_request. Locks: the row; it is the row itself, so no login without privileges here
-- can stop a request, and no other key is stopped by this one.
create function take_request(owner text, key text, digest bytea) returns bool
language plpgsql set lock_timeout = '50ms' as $$
#variable_conflict use_variable
begin
    insert into idempotent_request as r (owner, key, digest, ids, duplicates) values (owner, key, digest, '{}', '{}')
    on conflict on constraint idempotent_request_pkey do update
       set digest = excluded.digest, ids = '{}', duplicates = '{}', created_at = clock_timestamp()
     where r.created_at <= clock_timestamp() - interval '24 hours';
    return found;
exception
    when lock_not_available then return false;
end $$;
