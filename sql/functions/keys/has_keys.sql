-- has_keys: whether there has ever been a key of the REST API: then no request is served without one. Keys that have expired or
-- were revoked count too, so that the end of the last key does not open the door.
-- Called by: servers of the REST API. Writes: nothing.
create function has_keys() returns bool
language sql stable security definer set search_path from current as $$
    select exists (select from api_key)
$$;
