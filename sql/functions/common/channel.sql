-- channel: the name that workers LISTEN on, derived from the schema so that installs do not wake each other. Processes that wait for
-- results LISTEN on the same name with `_done` behind it; see wake_waiters. Writes: nothing.
create function channel() returns text
language sql stable set search_path from current as $$
    select 'pgqueue_' || left(md5(current_schema()), 16)
$$;
