-- revoke_key: ends a key of the REST API, at once and for good. Called by: the command line and the API.
-- Writes: api_key, audit_log. Locks: its row.
--
-- by      who revokes it, 1 to 200 characters; NULL = the user of the session
-- reason  for people; at most 1,000 characters
-- Returns whether it was not revoked before. Raises PQ003 when there is no such key.
create function revoke_key(id text, by text default null, reason text default null) returns bool
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    its api_key;
begin
    select * into its from api_key k where k.id = revoke_key.id for update;
    if not found then
        raise exception 'id: there is no key %; `pgqueue keys list` shows them', quote_literal(left(id, 200))
            using errcode = 'PQ003';
    elsif its.revoked_at is not null then
        return false;
    end if;
    update api_key k set revoked_at = clock_timestamp(), revoked_by = check_by(by) where k.id = its.id;
    perform audit('revoke_key', 'key', its.id, by, reason, jsonb_build_object(
        'name', its.name, 'role', its.role, 'queues', its.queues, 'may_read_arguments', its.may_read_arguments,
        'expires_at', in_utc(its.expires_at)));
    perform wake('!keys');
    return true;
end $$;
