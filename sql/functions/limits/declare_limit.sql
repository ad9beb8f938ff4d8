-- declare_limit: makes known what code says of a limit. What people have set since stays: it is changed only when the code says
-- something else than it said last.
-- Called by: workers, when they start. Writes: limit_def, turn. definition: the arguments of set_limit by name, per in seconds.
-- Returns whether it was changed. Raises PQ001 as set_limit.
create function declare_limit(name text, definition jsonb) returns bool
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
begin
    perform pg_advisory_xact_lock(hashtext('pgqueue limit'), hashtext(current_schema() || name));  -- workers start together
    if (select d.declared = definition from limit_def d where d.name = name) then
        return false;
    end if;
    perform change_limit(
        name, coalesce((definition->>'rate')::float8, 0),
        make_interval(secs => (definition->>'per')::float8), (definition->>'burst')::float8,
        coalesce((definition->>'max_running')::int, 0), coalesce((definition->>'count_cost')::bool, true),
        coalesce((definition->>'weight')::int, 1), coalesce((definition->>'retry_blocks')::bool, false), null);
    update limit_def d set declared = definition where d.name = name;
    return true;
end $$;
