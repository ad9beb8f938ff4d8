-- in_utc: a time as JSON shows it, in UTC whatever the TimeZone of the session is. Called by: whoever stores or shows a time in
-- JSON. Writes: nothing. Stable, as to_char is, and without settings: otherwise it is not inlined, and a failure calls it three
-- times.
create function in_utc(at timestamptz) returns text
language sql stable as $$ select to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"') $$;
