-- terms_from: the time limits of an enqueue, in seconds, and its trace, as they are stored with the job; NULL = none.
-- Called by: enqueue, enqueue_many, enqueue_select, with_terms. Writes: nothing. Inlined, hence no settings.
create function terms_from(
    timeout interval, soft_timeout interval, expires_after interval, total_timeout interval, trace jsonb
) returns jsonb
language sql as $$
    select case when coalesce(timeout, soft_timeout, expires_after, total_timeout) is not null or trace is not null
                then checked_terms(timeout, soft_timeout, expires_after, total_timeout, trace) end
$$;

-- checked_terms: terms_from where one of them is given. Called by: terms_from, enqueue_plain. Writes: nothing. Raises PQ001.
-- 0 = no limit, which is not stored, but for soft_timeout: without one it is 0.8 of the timeout.
create function checked_terms(
    timeout interval, soft_timeout interval, expires_after interval, total_timeout interval, trace jsonb
) returns jsonb
language plpgsql as $$
#variable_conflict use_variable
begin
    perform check_interval('timeout', timeout), check_interval('soft_timeout', soft_timeout),
            check_interval('expires_after', expires_after), check_interval('total_timeout', total_timeout);
    if soft_timeout >= timeout and timeout > interval '0' then
        perform invalid('soft_timeout', soft_timeout::text,
                format('the timeout is %s; use less, or 0 for no soft limit', timeout));
    end if;
    if trace is not null then
        trace := check_trace(trace);
    end if;
    return nullif(jsonb_strip_nulls(jsonb_build_object(
        'timeout', nullif(seconds_of(timeout), 0), 'soft_timeout', seconds_of(soft_timeout),
        'expires_after', nullif(seconds_of(expires_after), 0), 'total_timeout', nullif(seconds_of(total_timeout), 0),
        'trace', trace)), '{}');
end $$;

-- check_trace: refuses a trace with anything but its three texts, and returns it; NULL = an empty one. The texts are the headers
-- of W3C Trace Context, and an id of the request that leads to the job; none is read in SQL.
-- Called by: checked_terms, enqueue_workflow. Writes: nothing. Raises PQ001.
create function check_trace(trace jsonb) returns jsonb
language plpgsql as $$
begin
    if jsonb_typeof(trace) not in ('object', 'null') then
        perform invalid('trace', trace::text, 'give an object, for example {"traceparent": "00-…", "request_id": "…"}');
    elsif jsonb_typeof(trace) = 'null' then
        return null;
    end if;
    perform invalid('trace', key, 'use traceparent, tracestate and request_id')
       from jsonb_object_keys(trace) as key where key not in ('traceparent', 'tracestate', 'request_id');
    perform invalid('trace', key || ': ' || coalesce(trace->>key, 'null'), 'use a text of at most 1000 characters')
       from jsonb_object_keys(trace) as key
      where jsonb_typeof(trace->key) <> 'string' or length(trace->>key) > 1000;
    return nullif(trace, '{}');
end $$;

-- seconds_of: an interval in seconds, without zeros at the end. Called by: checked_terms. Writes: nothing.
create function seconds_of(value interval) returns numeric
language sql immutable as $$ select trim_scale(extract(epoch from value)) $$;

-- stored_of: what is stored of an element of enqueue_many or of a node. Called by: insert_each, insert_element,
-- insert_plain_nodes, insert_nodes_singly. Writes: nothing. Raises PQ001 as checked_terms. Inlined.
create function stored_of(element jsonb) returns stored_options
language sql stable as $$
    select jsonb_populate_record(null::stored_options, case
        when element ?| '{timeout,soft_timeout,expires_after,total_timeout,trace}' then with_terms(element) else element end)
$$;

-- with_terms: an element with its terms, besides those that it has as the job of a schedule. Called by: stored_of.
create function with_terms(element jsonb) returns jsonb
language sql stable as $$
    select element || jsonb_build_object('terms', nullif(
               coalesce(element->'terms', '{}')
               || coalesce(terms_from(timeout, soft_timeout, expires_after, total_timeout, trace), '{}'), '{}'))
      from jsonb_to_record(element) as t(
           timeout interval, soft_timeout interval, expires_after interval, total_timeout interval, trace jsonb)
$$;

-- with_ends: stored options with the times that follow from when the job is due: until when it must have started, and until when
-- it must be over.
-- Called by: insert_job, insert_jobs, where the options have terms or an expiry. Writes: nothing.
create function with_ends(stored stored_options, due timestamptz) returns stored_options
language plpgsql as $$
begin
    if stored.expires_at is not null and stored.terms ? 'expires_after' then
        perform invalid('expires_after', stored.terms->>'expires_after', 'give expires_at or expires_after, not both');
    elsif stored.expires_at not between '0001-01-02' and '9999-12-30' then
        perform invalid('expires_at', stored.expires_at::text, 'give a time between the years 1 and 9999');
    end if;
    stored.expires_at := coalesce(stored.expires_at, end_of(stored.terms, 'expires_after', due));
    stored.deadline_at := end_of(stored.terms, 'total_timeout', due);
    return stored;
end $$;

-- end_of: the time that lies as many seconds after another one as a key of the terms says, the last time of calendars at most;
-- NULL without the key. Called by: with_ends, update_job, run_again, restore_skipped. Writes: nothing.
create function end_of(terms jsonb, key text, due timestamptz) returns timestamptz
language sql stable as $$
    select case when terms ? key then case when due < '9000-01-01' then due + make_interval(secs => (terms->>key)::float8)
                                           else '9999-12-30' end end
$$;
