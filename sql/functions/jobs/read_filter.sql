-- read_filter: a filter that is written as text, with the fields that check_filter takes, which are not checked yet:
-- queue:mail task:welcome* state:failed,ready error:Timeout args.customer.id:5 since:2h
-- Called by: with_text; applications and people that want to know what a text means. Writes: nothing. Raises PQ001, which names
-- the term and the remedy.
--
-- queue, task, state, reason, fingerprint   one of these: a field may be repeated, or have several values with commas
-- error           the type of the last error, by its last part too: Timeout means pgqueue.errors.Timeout; error_type: in full
-- args.a.b, meta.a  what is contained; a value is JSON (5, true, null) or else a text; args:{"a":[1]} is the whole object
-- since, until    a span before now (2h, 7d), a time, a day; "ever": the one of jobs that are over is that of their end
-- limit, workflow, schedule, worker, created_after, …  as in check_filter
-- 17              a number alone is an id, a word alone a task
--
-- Terms have spaces between them. "…" holds a value with a space, a comma or a colon, and makes a text of a number.
-- states  those that a filter beside the text names: they say of which time since and until are
create function read_filter(q text, states jsonb default null) returns jsonb
language plpgsql security definer set search_path from current as $$
declare
    quoted text := E'"(?:[^"\\\\]|\\\\.)*"';
    pieces text := '((?:[^[:space:]"]|' || quoted || ')+)';
    its    jsonb := '{}';
    term   text;
begin
    if length(q) > 4000 then
        perform invalid('q', q, 'give a text of up to 4,000 characters');
    elsif strpos(regexp_replace(q, pieces, '', 'g'), '"') > 0 then
        perform invalid('q', q, 'close its quotes');
    end if;
    for term in select m[1] from regexp_matches(q, pieces, 'g') as m loop
        its := with_term(its, term, substring(term from '^([a-z_]+)[.:]'));
    end loop;
    return with_times(its, coalesce(its->'state', states));
end $$;

-- with_term: a filter with one more term. name: of its field, if it has one. Called by: read_filter. Writes: nothing. Raises
-- PQ001.
create function with_term(its jsonb, term text, name text) returns jsonb
language plpgsql as $$
declare
    value text := substr(term, length(name) + 2);
    field text := case name when 'error' then 'error_type' when 'id' then 'ids' else name end;
    parts text[];
begin
    if name = any ('{args,meta}') then
        return its || jsonb_build_object(name, merged(its->name, contained_in(term, name), term));
    elsif term ~ '^[0-9]+(,[0-9]+)*$' then
        field := 'ids';
        value := term;
    elsif name is null and regexp_replace(term, E'"(?:[^"\\\\]|\\\\.)*"', '', 'g') !~ ':' then
        field := 'task';
        value := term;
    elsif name is null or substr(term, length(name) + 1, 1) <> ':'
          or field <> all (array_remove(filter_fields(), 'q') || '{since,until}') then
        perform invalid('q', term, 'use queue:, task:, state:, error:, args.name:, meta.name:, reason:, since:, until:, limit:, '
                                   'workflow:, schedule:, worker:, fingerprint: or id:, or write "…" around a text with a colon');
    end if;
    parts := values_in(value);
    if parts = '{}' then
        perform invalid('q', term, 'give a value behind the colon');
    elsif field = any ('{ids,workflow}') and exists (select from unnest(parts) as p(part) where part !~ '^[0-9]{1,18}$') then
        perform invalid('q', term, 'use ids, which are whole numbers');
    elsif field = any ('{ids,state,queue,task,reason,error_type,fingerprint}') then
        if name = 'error' then
            parts := parts || array(select '*.' || part from unnest(parts) as p(part) where part !~ '[.*]');
        end if;
        return its || jsonb_build_object(field, coalesce(its->field, '[]') || case field
            when 'ids' then to_jsonb(parts::bigint[])
            when 'state' then to_jsonb(array(select lower(part) from unnest(parts) as p(part)))
            else to_jsonb(parts) end);
    elsif cardinality(parts) > 1 or its ? field then
        perform invalid('q', term, format('give %s once, with one value', name));
    end if;
    return its || jsonb_build_object(field, case field when 'workflow' then to_jsonb(parts[1]::bigint)
                                                       else to_jsonb(parts[1]) end);
end $$;

-- values_in: values with commas between them, without the quotes. Called by: with_term, contained_in. Writes: nothing.
create function values_in(value text, many bool default true) returns text[]
language sql immutable as $$
    select array(
        select (select string_agg(case when part like '"%'
                                       then regexp_replace(substr(part, 2, length(part) - 2), E'\\\\(["\\\\])', E'\\1', 'g')
                                       else part end, '' order by nth)
                  from regexp_matches(one[1], E'([^"]+|"(?:[^"\\\\]|\\\\.)*")', 'g') with ordinality as m(parts, nth),
                       unnest(parts) as p(part))
          from regexp_matches(value, case when many then E'((?:[^,"]|"(?:[^"\\\\]|\\\\.)*")+)' else '(.+)' end, 'g') as o(one))
$$;

-- contained_in: the object that a term of args or meta names. Called by: with_term. Writes: nothing. Raises PQ001.
create function contained_in(term text, name text) returns jsonb
language plpgsql as $$
declare
    keys  text := substring(term from E'^[a-z]+((?:[.](?:[^.:"]|"(?:[^"\\\\]|\\\\.)*")+)*):');
    value text := substr(term, length(name) + length(keys) + 2);
    path  text[];
    its   jsonb;
begin
    if keys is null or value = '' or (keys = '' and value !~ '^[{]') then
        perform invalid('q', term, format('use %s.customer.id:5, or %s:{"customer":5}', name, name));
    end if;
    its := case when value ~ '^([[{].*|true|false|null|-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?)$' then value::jsonb
                else to_jsonb((values_in(value, false))[1]) end;
    path := array(select (values_in(m[1], false))[1]
                    from regexp_matches(keys, E'[.]((?:[^.:"]|"(?:[^"\\\\]|\\\\.)*")+)', 'g') with ordinality as r(m, nth)
                   order by nth desc);
    if cardinality(path) > 20 then
        perform invalid('q', term, 'name 20 members at most');
    end if;
    for i in 1 .. cardinality(path) loop
        its := jsonb_build_object(path[i], its);
    end loop;
    return its;
exception when data_exception then
    perform invalid('q', term, 'use JSON without spaces around its members, or write "…" around a text');
end $$;

-- merged: an object that contains what two objects contain. Called by: with_term, in_both. Writes: nothing. Raises PQ001 where
-- they have two values.
create function merged(a jsonb, b jsonb, term text, depth int default 0) returns jsonb
language plpgsql immutable as $$
begin
    if a is null or b is null or a = b then
        return coalesce(a, b);
    elsif jsonb_typeof(a) <> 'object' or jsonb_typeof(b) <> 'object' or depth > 20 then
        perform invalid('q', term, 'the filter has another value of it already; give it once');
    end if;
    return (select jsonb_object_agg(key, merged(a->key, b->key, term, depth + 1)) from jsonb_object_keys(a || b) as k(key));
end $$;

-- with_times: a filter with the times that since and until mean for these states. Called by: read_filter. Writes: nothing.
-- Raises PQ001.
create function with_times(its jsonb, states jsonb) returns jsonb
language plpgsql as $$
declare
    which text := case when states <@ '["succeeded", "failed", "cancelled"]' and states <> '[]' then 'finished'
                       else 'created' end;
    given record;
begin
    for given in select key, value #>> '{}' as text from jsonb_each(its) where key = any ('{since,until}') loop
        its := its - given.key || jsonb_build_object(
            which || case given.key when 'since' then '_after' else '_before' end,
            checked_time(given.key, to_jsonb(case
                when given.text = 'ever' then '0001-01-01T00:00:00Z'
                when given.text ~ '^[0-9]+([.][0-9]+)?$' then '-' || given.text || ' s'
                when given.text ~ '^[0-9]+([.][0-9]+)? ?[a-z]+$' then '-' || given.text
                when given.text ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' then given.text || 'T00:00:00Z'
                when given.text ~ '^[0-9-]{10}[T ][0-9:.]+$' then given.text || 'Z'
                else given.text end)));
    end loop;
    return its;
end $$;

-- with_text: a filter with the fields of its text, `q`, in place of it: a job must match both. Called by: check_filter. Writes:
-- nothing. Raises PQ001.
create function with_text(filter jsonb) returns jsonb
language plpgsql as $$
declare
    beside jsonb := without_nulls(filter - 'q');
    its    jsonb;
begin
    if jsonb_typeof(coalesce(filter->'q', 'null')) = 'null' then
        return beside;
    elsif jsonb_typeof(filter->'q') <> 'string' then
        perform invalid('q', filter->>'q', 'give a text such as queue:mail state:failed');
    end if;
    its := read_filter(filter->>'q', case when beside ? 'state' then checked_field('state', beside->'state') end);
    return beside || (select coalesce(jsonb_object_agg(key, in_both(key, beside->key, value)), '{}') from jsonb_each(its));
end $$;

-- in_both: the value of a field that is given beside a text and in it. Called by: with_text. Writes: nothing. Raises PQ001.
create function in_both(field text, beside jsonb, its jsonb) returns jsonb
language plpgsql as $$
declare
    a      jsonb := case when beside is not null then checked_field(field, beside) end;
    b      jsonb := checked_field(field, its);
    common jsonb;
begin
    if a is null or a = b then
        return b;
    elsif field = any ('{args,meta}') then
        return merged(a, b, field);
    elsif field = any ('{ids,state,queue,reason,fingerprint}') then
        common := (select jsonb_agg(value) from jsonb_array_elements(a) as v(value) where b @> jsonb_build_array(value));
        if common is not null then
            return common;
        end if;
    end if;
    perform invalid(field, b::text,
                    format('beside the text it is %s; a job cannot match both: give it once', left(a::text, 200)));
end $$;
