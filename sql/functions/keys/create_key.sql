-- create_key: stores a key of the REST API. Called by: the command line and the API, which make the id and the secret.
-- Writes: api_key, audit_log. Locks: none.
--
-- id                  12 characters of a-z and 0-9: the public part of the key
-- hash                SHA-256 of the secret part
-- name                for people, 1 to 200 characters
-- role                viewer, producer, worker, operator or admin: what it may, as the SQL role of that name
-- queues              the only queues that it may see and use, 1 to 100; NULL = all
-- may_read_arguments  whether it sees arguments, results and errors of jobs
-- expires_at          NULL = never
-- by                  who makes it, 1 to 200 characters; NULL = the user of the session
-- expires_after       instead of expires_at: for so long from now
-- Returns when it expires. Raises PQ001 when an argument is invalid.
create function create_key(
    id text, hash bytea, name text, role text, queues text[] default null, may_read_arguments bool default true,
    expires_at timestamptz default null, by text default null, expires_after interval default null
) returns timestamptz
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
begin
    perform check_key(id, hash, name, role, queues, may_read_arguments);
    if expires_at is not null and expires_after is not null then
        perform invalid('expires_after', expires_after::text, 'give expires_at or expires_after, not both');
    end if;
    perform check_interval('expires_after', expires_after);
    expires_at := coalesce(expires_at, clock_timestamp() + expires_after);
    if expires_at <= clock_timestamp() or expires_at not between '0001-01-02' and '9999-12-30' then
        perform invalid('expires_at', expires_at::text, 'give a time that is still to come, before the year 10000');
    end if;
    insert into api_key (id, hash, name, role, queues, may_read_arguments, created_by, expires_at)
    values (id, hash, name, role, queues, may_read_arguments, check_by(by), expires_at);
    perform audit('create_key', 'key', id, by, null, null, jsonb_build_object(
        'name', name, 'role', role, 'queues', queues, 'may_read_arguments', may_read_arguments,
        'expires_at', in_utc(expires_at)));
    perform wake('!keys');
    return expires_at;
end $$;

-- check_key: refuses what is no key. Called by: create_key. Writes: nothing.
create function check_key(id text, hash bytea, name text, role text, queues text[], may_read_arguments bool) returns void
language plpgsql as $$
#variable_conflict use_variable
declare
    queue text;
begin
    if (id ~ '^[a-z0-9]{12}$') is not true then
        perform invalid('id', id, 'use 12 characters of a-z and 0-9');
    elsif exists (select from api_key k where k.id = check_key.id) then
        perform invalid('id', id, 'there is such a key; use another id');
    elsif (octet_length(hash) = 32) is not true then
        perform invalid('hash', octet_length(hash)::text, 'give the 32 bytes of a SHA-256 digest');
    elsif (length(name) between 1 and 200) is not true then
        perform invalid('name', name, 'use 1 to 200 characters');
    elsif (role in ('viewer', 'producer', 'worker', 'operator', 'admin')) is not true then
        perform invalid('role', role, 'use viewer, producer, worker, operator or admin');
    elsif may_read_arguments is null then
        perform invalid('may_read_arguments', null, 'use true or false');
    elsif queues is not null and (cardinality(queues) between 1 and 100) is not true then
        perform invalid('queues', cardinality(queues)::text, 'give 1 to 100 queues, or none for a key for all queues');
    end if;
    foreach queue in array coalesce(queues, '{}') loop
        perform check_queue_name(queue);
    end loop;
end $$;
