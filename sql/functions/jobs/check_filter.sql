-- check_filter: a filter in its normal form: a description of jobs that every bulk verb and every list takes. Refuses an invalid
-- one. A filter in its normal form is returned unchanged.
-- Called by: list_jobs, count_jobs, changed_jobs, matching_ids, dead_filter, operation_filter; applications and operators that
-- want to know whether a filter is valid. Writes: nothing. Raises PQ001, which names the field.
--
-- All fields must apply; a null field is as if it were not there. The empty object stands for all jobs.
--
-- q                       fields as one text, see read_filter; the normal form has these fields
-- ids                     an array of ids
-- state, queue, reason    a text or an array: one of them
-- task                    the same; * stands for any text: mail.*
-- error_type              the same: the type of the last error; * stands for any text: *.Timeout
-- fingerprint             the same: of a dead letter
-- args, meta              an object that is contained: {"customer": 5}
-- limit                   the key of a limit: openai, tenant:42, queue:mail
-- workflow                the id of a workflow
-- schedule                the name of a schedule
-- worker                  the id of the worker that runs the job or ran it last
-- created_after, …        a time with its offset, or a span from now such as "-2 hours". The time after which is part of the
--                         range, the time before which is not. Of the years 1 to 9999. The normal form has times, so it does
--                         not move.
create function check_filter(filter jsonb) returns jsonb
language plpgsql security definer set search_path from current as $$
begin
    if jsonb_typeof(filter) is distinct from 'object' then
        perform invalid('filter', filter::text, 'use an object, for example {"state": "failed", "queue": "mail"}; {} = all jobs');
    end if;
    perform invalid('filter', key, 'use ' || array_to_string(filter_fields(), ', '))
       from jsonb_object_keys(filter) as k(key) where key <> all (filter_fields());
    return (select coalesce(jsonb_object_agg(key, checked_field(key, value)), '{}') from jsonb_each(with_text(filter)));
end $$;

-- filter_fields: the fields of a filter, in the order in which people are told of them. Called by: check_filter, with_term.
-- Writes: nothing.
create function filter_fields() returns text[]
language sql immutable as $$
    select '{ids,state,queue,task,reason,error_type,fingerprint,args,meta,limit,workflow,schedule,worker,created_after,
             created_before,run_at_after,run_at_before,finished_after,finished_before,q}'::text[]
$$;

-- checked_field: the value of one field in its normal form. Called by: check_filter, with_text, in_both. Writes: nothing.
-- Raises PQ001.
create function checked_field(field text, given jsonb) returns jsonb
language plpgsql as $$
begin
    return case
        when field = 'ids' then checked_ids(given)
        when field = 'state' then checked_texts(field, given, enum_range(null::job_state)::text[])
        when field = 'reason' then checked_texts(field, given, enum_range(null::final_reason)::text[])
        when field = any ('{queue,task,error_type,fingerprint}') then checked_texts(field, given)
        when field = any ('{limit,schedule}') then checked_text(field, given)
        when field = any ('{args,meta}') then checked_object(field, given)
        when field = 'workflow' then checked_id(field, given)
        when field = 'worker' then checked_uuid(field, given)
        else checked_time(field, given) end;
end $$;

-- checked_ids: ids in their order, each once. Called by: checked_field. Writes: nothing. Raises PQ001.
create function checked_ids(given jsonb) returns jsonb
language plpgsql as $$
begin
    if jsonb_typeof(given) <> 'array' or jsonb_array_length(given) > 100000 then
        perform invalid('ids', given::text, 'give an array of up to 100,000 ids');
    end if;
    perform checked_id('ids', id) from jsonb_array_elements(given) as i(id) where not is_id(id);  -- a call for each takes 3 µs
    return (select coalesce(jsonb_agg(id order by id), '[]')
              from (select distinct (one #>> '{}')::numeric::bigint as id from jsonb_array_elements(given) as i(one)) n);
end $$;

-- checked_id: an id. Called by: checked_field, checked_ids. Writes: nothing. Raises PQ001.
create function checked_id(field text, given jsonb) returns jsonb
language plpgsql as $$
begin
    if is_id(given) then
        return to_jsonb((given #>> '{}')::numeric::bigint);
    end if;
    perform invalid(field, given::text, 'use an id, which is a whole number');
end $$;

-- is_id: whether a value is an id. Called by: checked_id, checked_ids. Writes: nothing. Inlined, hence no settings.
create function is_id(given jsonb) returns bool
language sql immutable as $$
    select case when jsonb_typeof(given) = 'number'
                then (given #>> '{}')::numeric between 1 and 9223372036854775807 and (given #>> '{}')::numeric % 1 = 0
                else false end
$$;

-- checked_texts: one text or more as an array, in their order, each once. Called by: checked_field. Writes: nothing.
-- Raises PQ001.
create function checked_texts(field text, given jsonb, choices text[] default null) returns jsonb
language plpgsql as $$
declare
    list jsonb := case jsonb_typeof(given) when 'string' then jsonb_build_array(given) else given end;
begin
    if jsonb_typeof(list) <> 'array' or jsonb_array_length(list) > 1000
       or jsonb_path_exists(list, 'strict $[*] ? (@.type() != "string")') then
        perform invalid(field, given::text, 'give a text, or an array of up to 1000');
    end if;
    perform invalid(field, text, 'use ' || array_to_string(choices, ', '))
       from jsonb_array_elements_text(list) as t(text) where text <> all (choices);
    perform checked_text(field, text) from jsonb_array_elements(list) as t(text);
    return (select coalesce(jsonb_agg(distinct text order by text), '[]') from jsonb_array_elements(list) as t(text));
end $$;

-- checked_text: a text. Called by: checked_field, checked_texts. Writes: nothing. Raises PQ001.
create function checked_text(field text, given jsonb) returns jsonb
language plpgsql as $$
begin
    if jsonb_typeof(given) <> 'string' or length(given #>> '{}') not between 1 and 200 then
        perform invalid(field, given #>> '{}', 'give a text of 1 to 200 characters');
    end if;
    return given;
end $$;

-- checked_object: an object that jobs may contain. Called by: checked_field. Writes: nothing. Raises PQ001.
create function checked_object(field text, given jsonb) returns jsonb
language plpgsql as $$
begin
    if jsonb_typeof(given) <> 'object' or octet_length(given::text) > 10000 then
        perform invalid(field, given::text, 'give an object of up to 10,000 bytes, for example {"customer": 5}');
    end if;
    return given;
end $$;

-- checked_uuid: the id of a worker. Called by: checked_field. Writes: nothing. Raises PQ001.
create function checked_uuid(field text, given jsonb) returns jsonb
language plpgsql as $$
begin
    return to_jsonb((given #>> '{}')::uuid::text);
exception when data_exception then
    perform invalid(field, given::text, 'use the id of a worker, which is a UUID; see pgqueue workers');
end $$;

-- checked_time: a time in UTC; a span from now becomes one. Called by: checked_field, with_times. Writes: nothing. Raises PQ001.
-- One number with its unit: how others are read depends on the session's IntervalStyle.
create function checked_time(field text, given jsonb) returns jsonb
language plpgsql as $$
declare
    text   text := given #>> '{}';
    remedy text := 'give a time with its offset, for example 2026-11-30T02:00:00+01:00, or a span from now such as -2 hours';
    at     timestamptz;
begin
    if text ~ '^[+-]?[0-9]+([.][0-9]+)? ?[a-z]+$' then
        at := clock_timestamp() + text::interval;
    elsif text ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)$' then
        at := text::timestamptz;
    end if;
    if at >= '0001-01-01Z' and at < '10000-01-01Z' then  -- as in_utc can say it
        return to_jsonb(in_utc(at));
    end if;
    perform invalid(field, text, remedy);
exception when data_exception then
    perform invalid(field, text, remedy);
end $$;
