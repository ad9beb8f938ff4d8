-- wake: tells idle workers that a queue has something to do.
-- Called by: every function that makes jobs runnable; a client that coalesces its wake-ups.
-- Writes: nothing. One channel per install; the payload is the queue, and equal payloads of one transaction merge.
create function wake(queue text) returns void
language sql set search_path from current as $$
    select pg_notify(channel(), queue)
$$;

-- channel: the name that workers LISTEN on, derived from the schema so that installs do not wake each other.
create function channel() returns text
language sql stable set search_path from current as $$
    select 'pgqueue_' || left(md5(current_schema()), 16)
$$;
