-- wake: tells idle workers that a queue has something to do.
-- Called by: every function that makes jobs runnable; ask_results.
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

-- wake_for: wake, if a job that is due then is worth it: workers look by themselves about once a second. NULL = no job, no wake.
-- Called by: enqueue and its kind, update. Writes: nothing.
create function wake_for(queue text, due timestamptz) returns void
language sql as $$
    select wake(queue) where due < clock_timestamp() + interval '1 second'
$$;
