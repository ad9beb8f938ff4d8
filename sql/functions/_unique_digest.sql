-- unique_digest: what no two jobs may have in common: SHA-256 over the task and either its arguments or the given key.
-- Called by: insert_job, find_duplicate. Writes: nothing.
-- jsonb is canonical: the order of names, spaces and doubled names make no difference (1 and 1.0 do).
create function unique_digest(task text, args jsonb, unique_key text) returns bytea
language sql stable as $$
    select sha256(convert_to(
        task || case when unique_key is null then E'\nargs\n' || args::text else E'\nkey\n' || fill_key(unique_key, args) end, 'UTF8'))
$$;

-- fill_key: a key with each {name} (or {name.inner}) replaced by that argument.
-- Called by: unique_digest. Raises PQ001 for a name that the arguments do not have.
create function fill_key(template text, args jsonb) returns text
language plpgsql stable as $$
declare
    filled text := template;
    name   text;
begin
    if length(template) not between 1 and 1000 then
        perform invalid('unique_key', template, 'use 1 to 1000 characters');
    end if;
    for name in select distinct (regexp_matches(template, '\{([^{}]*)\}', 'g'))[1] loop
        if args #> string_to_array(name, '.') is null then
            perform invalid('unique_key', template, format('the arguments have no %s; give it, or name another one', quote_literal(name)));
        end if;
        filled := replace(filled, '{' || name || '}', coalesce(args #>> string_to_array(name, '.'), 'null'));
    end loop;
    return filled;
end $$;
