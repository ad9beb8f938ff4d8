-- channel: the name that workers LISTEN on.
-- Called by: wake_waiters; workers and whoever waits for results, who add `_done` to it. Writes: nothing.
create function channel() returns text
language sql stable security definer set search_path from current as $$
    select channel_of(current_schema())
$$;

-- channel_of: the channel of one schema, so that installs do not wake each other. Called by: channel, wake. Writes: nothing.
-- Inlined, hence no settings: a function with its own costs every enqueue several microseconds.
create function channel_of(schema text) returns text
language sql immutable as $$ select 'pgqueue_' || left(md5(schema), 16) $$;
