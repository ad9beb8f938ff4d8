-- declare_limit: makes known what code says of a limit. What people have set stays theirs: a limit that they have made, or that
-- has other values than the code said last, is left as it is, until they delete it or give it the values of the code.
-- Called by: workers, when they start. Writes: limit_def, turn. Locks: the row of the limit; none if code says what it said
-- last.
-- definition: the arguments of set_limit by name, per in seconds.
-- Returns whether it was changed; NULL: people have set it, and the code says something else. Raises PQ001 as set_limit.
create function declare_limit(name text, definition jsonb) returns bool
language plpgsql security definer set search_path from current
set intervalstyle = postgres set extra_float_digits = 1 as $$  -- limit_facts are compared with those of another session
#variable_conflict use_variable
declare
    old    limit_def;
    is_new bool;
begin
    if exists (select from limit_def d where d.name = name and d.declared = definition) then
        return false;
    end if;
    perform check_limit_name(name), check_size('definition', definition, 16384);
    insert into limit_def (name) values (name) on conflict do nothing;  -- workers start together
    is_new := found;
    select * into old from limit_def d where d.name = name for update;
    if old.declared = definition then
        return false;
    elsif is_new or limit_facts(old) @> old.declared_as then
        perform set_declared(name, definition);
        return true;
    end if;
    begin
        perform set_declared(name, definition);
        if not (select limit_facts(d) = limit_facts(old) from limit_def d where d.name = name) then
            raise exception 'it is theirs' using errcode = 'PQ010';
        end if;
        return false;  -- people have set what the code says
    exception when sqlstate 'PQ010' then
        return null;
    end;
end $$;

-- set_declared: gives a limit the values of a declaration. Called by: declare_limit. Writes: limit_def, turn.
create function set_declared(name text, definition jsonb) returns void
language plpgsql as $$
#variable_conflict use_variable
begin
    perform change_limit(
        name, coalesce((definition->>'rate')::float8, 0),
        make_interval(secs => (definition->>'per')::float8), (definition->>'burst')::float8,
        coalesce((definition->>'max_running')::int, 0), coalesce((definition->>'count_cost')::bool, true),
        coalesce((definition->>'weight')::int, 1), coalesce((definition->>'retry_blocks')::bool, false), null);
    update limit_def d set declared = definition, declared_as = limit_facts(d) where d.name = name;
end $$;
