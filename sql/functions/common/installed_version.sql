-- installed_version: of which version of pgqueue these functions are. Called by: app.check. Writes: nothing.
create function installed_version() returns text
language sql immutable security definer set search_path from current as $$
    select '0.1.0.dev0'
$$;
