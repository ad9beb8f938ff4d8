-- unique_digest: what no two jobs may have in common: SHA-256 over the task and either its arguments or the given key.
-- Called by: insert_unique, find_duplicate, update_job, changed_key; insert_each and enqueue_select, for the order of their keys.
-- Writes: nothing.
-- jsonb is canonical: the order of names, spaces and doubled names make no difference (1 and 1.0 do).
-- The task's length comes first: a name may contain anything, also what looks like the beginning of a key.
create function unique_digest(task text, args jsonb, unique_key text) returns bytea
language sql stable as $$
    select sha256(convert_to(
        length(task) || ' ' || task || case when unique_key is null then E'\nargs\n' || args::text
                                            else E'\nkey\n' || unique_key
                                                 || E'\n' || key_values(unique_key, args)::text end, 'UTF8'))
$$;

-- key_values: the arguments that stand in a key as {name} (or {name.inner}), in order, as a JSON array.
-- Called by: unique_digest, which digests key and values: filled into the text, two different jobs could look alike.
-- Raises PQ001 for a name that the arguments do not have.
create function key_values(template text, args jsonb) returns jsonb
language plpgsql stable as $$
declare
    found jsonb := '[]';
    name  text;
begin
    if length(template) not between 1 and 1000 then
        perform invalid('unique_key', template, 'use 1 to 1000 characters');
    end if;
    for name in select (regexp_matches(template, '[{]([^{}]*)[}]', 'g'))[1] loop
        if args #> string_to_array(name, '.') is null then
            perform invalid('unique_key', template, format(
                'the arguments have no %s; give it, or name another one', quote_literal(name)));
        end if;
        found := found || jsonb_build_array(args #> string_to_array(name, '.'));
    end loop;
    return found;
end $$;
