-- note_key_used: notes that these keys are in use, at most once a minute a key, however many servers say so.
-- Called by: servers of the REST API. Writes: api_key. Locks: rows, SKIP LOCKED: who holds one notes it, or revokes it.
create function note_key_used(key_ids text[]) returns void
language sql security definer set search_path from current as $$
    update api_key set last_used_at = clock_timestamp()
     where id = any (array(
           select id from api_key
            where id = any (key_ids) and (last_used_at < clock_timestamp() - interval '1 minute' or last_used_at is null)
              for no key update skip locked))
$$;
