-- find_key: a key that is valid now, by its public part, with the digest of its secret. Called by: servers of the REST API.
-- Writes: nothing. valid_for: NULL = for ever. Returns no row for a key that does not exist, has expired or was revoked.
create function find_key(key_id text)
returns table (hash bytea, name text, role text, queues text[], may_read_arguments bool, valid_for interval)
language sql stable security definer set search_path from current as $$
    select k.hash, k.name, k.role, k.queues, k.may_read_arguments, k.expires_at - n.now
      from api_key k cross join (select clock_timestamp() as now offset 0) n
     where k.id = key_id and k.revoked_at is null and (k.expires_at > n.now or k.expires_at is null)
$$;
