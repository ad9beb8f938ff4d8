-- channel: the name that workers LISTEN on, derived from the schema so that installs do not wake each other.
-- Called by: wake, wake_waiters; workers and whoever waits for results, who add `_done` to it. Writes: nothing.
create function channel() returns text
language sql stable set search_path from current as $$
    select 'pgqueue_' || left(md5(current_schema()), 16)
$$;
