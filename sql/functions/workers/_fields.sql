-- check_fields: refuses what is no object, or has a field of the wrong type; NULL passes, and so do fields of which `types` says
-- nothing. Called by: check_figures, check_about. Writes: nothing. Raises PQ001.
-- types: the name of each field with the type that jsonb_typeof says of it.
create function check_fields(field text, value jsonb, types jsonb) returns void
language plpgsql as $$
begin
    if jsonb_typeof(value) <> 'object' then
        perform invalid(field, left(value::text, 200), 'give a JSON object');
    end if;
    perform check_size(field, value, 16384);
    perform invalid(field || '.' || v.key, v.value::text, 'give a ' || (types->>v.key))
       from jsonb_each(value) v where types ? v.key and jsonb_typeof(v.value) not in (types->>v.key, 'null');
end $$;
