-- invalid: raises PQ001 with one sentence that names the field, the value and the remedy.
-- Called by: every function that takes user input. Writes: nothing.
create function invalid(field text, value text, remedy text) returns void
language plpgsql as $$
begin
    raise exception '%: % is not valid; %', field, coalesce(quote_literal(left(value, 200)), 'NULL'), remedy
        using errcode = 'PQ001', column = field;
end $$;
