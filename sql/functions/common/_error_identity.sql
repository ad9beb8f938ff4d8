-- error_identity: by what dead letters are found and grouped: the type of the last error, and a fingerprint that all failures of
-- one kind have in common. Both are NULL without an error.
-- Called by: finish_unended, end_waiting, end_interrupted, rescue_job. Writes: nothing.
-- It depends on nothing but the error, so that a migration which mends the rule can compute all of them again.
-- The fingerprint is a digest of the type, and of the innermost cause: its type, where it was raised, and the shape of its
-- message. A deploy that moves lines, or the directory of the code, changes nothing.
-- An error of a worker that has causes says which is the innermost: {"type", "message", "frames"}. Without, it is its own cause,
-- and its frames are read from the traceback, as Python prints it.
create function error_identity(errors jsonb, out error_type text, out fingerprint text)
language plpgsql immutable as $$
declare
    error jsonb := errors->-1;
    cause jsonb := error->'cause';
begin
    error_type := error->>'type';
    if error is not null then
        fingerprint := left(md5(concat_ws(
            E'\n', error_type, coalesce(cause->>'type', error_type), message_shape(coalesce(cause, error)->>'message'),
            case when cause is null then frames_of(error->>'traceback') else frames_of(cause->>'frames') end)), 16);
    end if;
end $$;

-- frames_of: where an error was raised, as file and function, the last 20 frames of a traceback, outermost first; without
-- directories, line numbers, frames of pgqueue itself, and repeated ones. Called by: error_identity. Writes: nothing.
-- By lines: a regular expression over the whole text takes 8 µs for each frame.
create function frames_of(traceback text) returns text
language sql immutable as $$
    select string_agg(split_part(replace(path, E'\\', '/'), '/', -1) || ':' || function, E'\n' order by place)
      from (select place, path, function, lag(path || function) over (order by place) is distinct from path || function as is_new
              from (select place, split_part(line, '"', 2) as path, split_part(line, ', in ', -1) as function
                      from string_to_table(traceback, E'\n') with ordinality as l(line, place)
                     where line like '% File "%", line %, in %'
                     order by place desc limit 20) last
             where path !~ E'[/\\\\]pgqueue[/\\\\](worker[/\\\\])?\\w+\\.py$') own
     where is_new
$$;

-- message_shape: the beginning of a message without what differs from one failure to the next: quoted parts and each word with a
-- digit in it (numbers, addresses, ids, times) are replaced by ?, and lists of those by one ?. Called by: error_identity.
-- Writes: nothing.
-- A quote ends at the next one that no letter follows, and an apostrophe within a word is none.
create function message_shape(message text) returns text
language sql immutable as $$
    select left(regexp_replace(regexp_replace(regexp_replace(left(message, 1000),
        '"[^"]*("|$)|`[^`]*(`|$)|(?<![[:alnum:]_])[bru]{0,2}''([^'']|''[[:alnum:]_])*(''|$)'
        '|[[:alnum:]_-]*[0-9][[:alnum:]_-]*([.:]+[[:alnum:]_-]+)*', '?', 'g'),
        '[[:space:]]+', ' ', 'g'), '[?](, ?[?])+', '?', 'g'), 200)
$$;
