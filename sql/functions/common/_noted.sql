-- check_by: who does it, as it is kept: the given text, or the user of the session. Called by: verbs of people.
-- Writes: nothing. Raises PQ001 for an empty or a long text.
create function check_by(by text) returns text
language plpgsql stable as $$
begin
    if length(by) not between 1 and 200 then
        perform invalid('by', by, 'say who does it, in 1 to 200 characters');
    end if;
    return coalesce(by, session_user);
end $$;

-- check_reason: a reason or note of a person, as it is kept; NULL = none. Called by: verbs of people.
-- Writes: nothing. Raises PQ001 for a long text.
create function check_reason(field text, reason text) returns text
language plpgsql stable as $$
begin
    if length(reason) > 1000 then
        perform invalid(field, reason, format('it has %s characters; use at most 1,000', length(reason)));
    end if;
    return reason;
end $$;
