-- enqueue_once: enqueue_many, with options per job, for a request that may come again: the second time it adds nothing and
-- returns what the first has returned. The jobs and the memory of them commit together, so whoever dies, and whenever, the same
-- request can be sent again: either all of it was done, or nothing.
-- Called by: the REST API, for requests with an Idempotency-Key. Writes: idempotent_request; see enqueue_many.
-- Locks: an advisory lock of the key until the end of the transaction, for which it does not wait; see enqueue_many.
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
    if not pg_try_advisory_xact_lock(hashtextextended(format('pgqueue request %s %s %s', current_schema(), owner, key), 0)) then
        said := 'running';
        return;
    end if;
    -- A statement of its own: its snapshot is taken when the lock is ours, and so sees what the holder before has committed.
    select * into its from idempotent_request r where r.owner = owner and r.key = key;
    if its.created_at > clock_timestamp() - interval '24 hours' then
        said := case when its.digest = digest then 'repeated' else 'other' end;
        if said = 'repeated' then
            ids := its.ids;
            duplicates := its.duplicates;
        end if;
        return;
    end if;
    delete from idempotent_request r where r.owner = owner and r.key = key;
    select array_agg(j.id order by place), array_agg(j.duplicate order by place) into ids, duplicates
      from enqueue_many(jobs) with ordinality as j(id, duplicate, place);
    insert into idempotent_request (owner, key, digest, ids, duplicates)
    values (owner, key, digest, coalesce(ids, '{}'), coalesce(duplicates, '{}'));
    said := 'enqueued';
end $$;
