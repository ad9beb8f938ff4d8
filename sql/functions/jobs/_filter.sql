-- filter_of: a checked filter with SQL's own types, as a statement takes it. Called by: find_ids, look_through, count_jobs,
-- changed_jobs, dead_groups, dead_stats, crossed_dead_letters. Writes: nothing.
create function filter_of(filter jsonb) returns job_filter
language sql stable as $$
    select array(select jsonb_array_elements_text(filter->'ids')::bigint),
           array(select jsonb_array_elements_text(filter->'state')::job_state),
           texts_of(filter->'queue'),
           names_of(filter->'task'), likes_of(filter->'task'),
           array(select jsonb_array_elements_text(filter->'reason')::final_reason),
           names_of(filter->'error_type'), likes_of(filter->'error_type'), texts_of(filter->'fingerprint'),
           filter->'args', filter->'meta', filter->>'limit',
           (filter->>'workflow')::bigint, filter->>'schedule', (filter->>'worker')::uuid,
           (filter->>'created_after')::timestamptz, (filter->>'created_before')::timestamptz,
           (filter->>'run_at_after')::timestamptz, (filter->>'run_at_before')::timestamptz,
           (filter->>'finished_after')::timestamptz, (filter->>'finished_before')::timestamptz
$$;

-- texts_of: an array of JSON as one of SQL; empty for NULL. Called by: filter_of, names_of, likes_of. Writes: nothing.
create function texts_of(list jsonb) returns text[]
language sql immutable as $$
    select array(select jsonb_array_elements_text(list))
$$;

-- names_of: the texts of a list without a *, which are names in full. Called by: filter_of. Writes: nothing.
create function names_of(list jsonb) returns text[]
language sql immutable as $$
    select array(select name from unnest(texts_of(list)) as t(name) where strpos(name, '*') = 0)
$$;

-- likes_of: those with a *, as patterns of LIKE. Called by: filter_of. Writes: nothing.
create function likes_of(list jsonb) returns text[]
language sql immutable as $$
    select array(select replace(regexp_replace(name, E'([\\\\%_])', E'\\\\\\1', 'g'), '*', '%')
                   from unnest(texts_of(list)) as t(name) where strpos(name, '*') > 0)
$$;

-- filter_places: the tables in which jobs of a checked filter can be. Called by: find_ids, ids_with, walk_through,
-- walks_of, order_of. Writes: nothing.
create function filter_places(filter jsonb) returns text[]
language sql stable as $$
    select array_remove(array[
        case when not filter ?| '{reason,fingerprint,finished_after,finished_before}'
              and coalesce(filter->'state' ?| '{blocked,scheduled,ready,running}', true) then 'job' end,
        case when not filter ? 'fingerprint'
              and coalesce(filter->'state' ?| '{succeeded,cancelled}', true) then 'job_history' end,
        case when coalesce(filter->'state' ? 'failed', true) then 'dead_letter' end], null)
$$;

-- filter_terms: the condition that a job of a checked filter fulfils, for a statement whose $1 is filter_of(filter). Made of the
-- texts here and nothing else. Called by: find_ids, part_of, dead_source, changed_in. Writes: nothing.
-- A statement with the conditions of all fields would be planned for all of them: with "$1 is null or …" no index helps.
create function filter_terms(filter jsonb, place text) returns text
language sql immutable as $$
    select coalesce(string_agg(term, ' and ' order by nth), 'true')
      from (select case place when 'dead_letter' then 'error_type' else 'errors->-1->>''type''' end) as e(error), lateral (values
               (1, 'ids', 'id in (select unnest(($1).ids))'),  -- hashed: 100,000 ids are compared one by one else
               (2, 'state', 'state = any (($1).states)'),
               (3, 'queue', 'queue = any (($1).queues)'),
               (4, 'task', '(task = any (($1).tasks) or task like any (($1).task_likes))'),
               (5, 'reason', 'reason = any (($1).reasons)'),
               (6, 'limit', case when filter->>'limit' like 'queue:%' then 'queue = substr(($1).limit_key, 7)'
                                 else 'limits @> array[($1).limit_key]' end),
               (7, 'workflow', 'workflow_id = ($1).workflow_id'),
               (8, 'worker', 'worker_id = ($1).worker_id'),
               (9, 'created_after', 'created_at >= ($1).created_after'),
               (10, 'created_before', 'created_at < ($1).created_before'),
               (11, 'run_at_after', 'run_at >= ($1).run_at_after'),
               (12, 'run_at_before', 'run_at < ($1).run_at_before'),
               (13, 'finished_after', 'finished_at >= ($1).finished_after'),
               (14, 'finished_before', 'finished_at < ($1).finished_before'),
               (15, 'fingerprint', 'fingerprint = any (($1).fingerprints)'),
               (16, 'schedule', 'terms->>''schedule'' = ($1).schedule'),
               (17, 'args', 'args @> ($1).args'),
               (18, 'meta', 'meta @> ($1).meta'),
               (19, 'error_type', case when filter->>'error_type' like '%*%'
                                       then format('(%1$s = any (($1).error_types) or %1$s like any (($1).error_likes))', error)
                                       else error || ' = any (($1).error_types)' end)) as terms(nth, field, term)
     where filter ? field and not (field = 'state' and place = 'dead_letter')
$$;
