-- look_through: looks at up to `step` jobs of a walk from a place on: those that match, at most so many, and the last row of
-- list_jobs. A walk reads ids and whether they match; only what is found is read in full.
-- Called by: list_jobs. Writes: nothing. One statement, so that a job is seen once, as it is at one time.
create function look_through(filter jsonb, walk text, place job_cursor, step int, most int) returns setof listed_job
language plpgsql as $$
declare
    in_chunks bool := walk = 'id' and filter ?| '{ids,workflow}';
    known     bigint[] := case when in_chunks then known_before(filter, place.id, least(step, 5000))
                               when walk in ('id', 'finished_at') then ids_with(filter, 5000) end;
begin
    return query execute
        'with seen as materialized (select id, finished_at, fits, row_number() over () as nth from ('
        || walk_through(filter, walk, place.id is not null, known is not null) || ') w), '
        'found as materialized (select nth, id, finished_at from seen where fits order by nth limit $4), '
        'stop as (select count(*) as looked, coalesce((select nth from found order by nth offset $4 - 1), max(nth)) as nth '
        'from seen) '
        'select l.* from found f cross join lateral listed(f.id, f.finished_at) l union all '
        'select r.* from stop left join seen using (nth) left join lateral listed(seen.id, seen.finished_at) l on true '
        'cross join lateral jsonb_populate_record(null::listed_job, jsonb_build_object(''run_at'', l.run_at, '
        '''created_at'', l.created_at, ''finished_at'', l.finished_at, ''looked'', stop.looked, ''next'', case '
        'when (select count(*) from found) = $4 then place_of($6, l) '
        'when $7 then place_of($6, case when cardinality($5) = least($3, 5000) then $5[cardinality($5)] end) '
        'when stop.looked = $3 then place_of($6, l) end)) r'
        using filter_of(filter), place, step, most, known, walk, in_chunks;
end $$;

-- walk_through: the statement of a walk, with its limit $3: $1 is filter_of(filter), $2 the place from which it goes on, $5 the
-- ids that are known. Made of the texts here and of those of filter_terms. Called by: look_through, count_jobs. Writes: nothing.
-- The tables of jobs are merged in the order of their indexes, if they have no conditions of their own; ranges of one table have
-- a limit each.
create function walk_through(filter jsonb, walk text, goes_on bool, is_known bool) returns text
language sql stable as $$
    select case when walk in ('id', 'finished_at') then
               (select 'select * from (' || string_agg(part, ' union all ') || ') w where ' || ranges[1]
                       || case when is_known then ' and id = any ($5)' else '' end || bounds_of(filter, walk) || ends
                  from unnest(filter_places(filter)) as p(place), part_of(filter, walk, place) as part)
           else
               (select 'select * from (' || string_agg(
                           '(' || part_of(filter, walk, 'job') || ' where ' || range || bounds_of(filter, walk) || ends || ')',
                           ' union all ') || ') w' || ends
                  from unnest(ranges) as r(range)) end
      from ranges_of(walk, goes_on) as ranges, concat(' order by ', order_through(walk), ' limit $3') as ends
$$;

-- part_of: the part of a walk that is in one table: what its order goes by, and whether the job matches. Called by: walk_through.
-- Writes: nothing.
create function part_of(filter jsonb, walk text, place text) returns text
language sql immutable as $$
    select 'select ' || case when walk in ('id', 'finished_at') then 'id'
                             when walk = 'plain' then 'queue, priority, run_at, id'
                             when walk = 'limited' then 'lane_id, priority, run_at, id'
                             else 'run_at, id' end
           || case place when 'job' then ', null::timestamptz as finished_at, ' else ', finished_at, ' end
           || filter_terms(filter, place) || ' as fits from '
           || case when place = 'job' and walk = 'id' and filter->'state' = '["running"]'
                   then '(select * from job where state = ''running'' offset 0) j'  -- not by the primary key
                   else place end
$$;

-- order_through: the order of a walk. Called by: walk_through. Writes: nothing.
create function order_through(walk text) returns text
language sql immutable as $$
    select case walk when 'id' then 'id desc'
                     when 'finished_at' then 'finished_at desc, id desc'
                     when 'plain' then 'queue, priority desc, run_at, id'
                     when 'limited' then 'lane_id, priority desc, run_at, id'
                     else 'run_at, id' end
$$;

-- ranges_of: what a walk has before it, as conditions one of which holds; each can be read off an index in the order of the walk.
-- Called by: walk_through. Writes: nothing.
create function ranges_of(walk text, goes_on bool) returns text[]
language sql immutable as $$
    select array(
        select kind || coalesce(' and ' || rest, '')
          from (select case walk when 'run_at' then 'state = ''scheduled'''
                                 when 'plain' then 'state = ''ready'' and rescues < 2 and lane_id is null'
                                 when 'limited' then 'state = ''ready'' and lane_id is not null'
                                 when 'suspect' then 'state = ''ready'' and rescues >= 2 and lane_id is null'
                                 else 'true' end) as k(kind),
               unnest(case when not goes_on then array[null]
                           when walk = 'id' then array['id < ($2).id']
                           when walk = 'finished_at' then array['(finished_at, id) < (($2).at, ($2).id)']
                           when walk = 'plain' then array[
                               'queue = ($2).queue and priority = ($2).priority and (run_at, id) > (($2).at, ($2).id)',
                               'queue = ($2).queue and priority < ($2).priority', 'queue > ($2).queue']
                           when walk = 'limited' then array[
                               'lane_id = ($2).lane_id and priority = ($2).priority and (run_at, id) > (($2).at, ($2).id)',
                               'lane_id = ($2).lane_id and priority < ($2).priority', 'lane_id > ($2).lane_id']
                           else array['(run_at, id) > (($2).at, ($2).id)'] end) as r(rest))
$$;

-- bounds_of: terms of a checked filter by which a walk begins later or ends earlier, as an index does. Called by: walk_through.
-- Writes: nothing.
create function bounds_of(filter jsonb, walk text) returns text
language sql immutable as $$
    select coalesce(string_agg(' and ' || term, ''), '')
      from (values ('finished_at', 'finished_after', 'finished_at >= ($1).finished_after'),
                   ('finished_at', 'finished_before', 'finished_at < ($1).finished_before'),
                   ('run_at', 'run_at_after', 'run_at >= ($1).run_at_after'),
                   ('run_at', 'run_at_before', 'run_at < ($1).run_at_before'),
                   ('plain', 'queue', 'queue = any (($1).queues)'),
                   ('plain', 'limit', 'queue = substr(($1).limit_key, 7)'),  -- of a queue, see walks_of
                   ('limited', 'limit', case when filter->>'limit' not like 'queue:%' then  -- each lane that waits has a turn
                       'lane_id = any (array(select distinct t.lane_id from turn t where t.lane_id is not null '
                       'and t.keys @> array[($1).limit_key]))' end)) as b(of_walk, field, term)
     where of_walk = walk and filter ? field
$$;

-- known_before: as known_ids, the newest first. Called by: look_through. Writes: nothing.
create function known_before(filter jsonb, before_id bigint, most int) returns bigint[]
language plpgsql as $$
declare
    before bigint := coalesce(before_id, 9223372036854775807);
begin
    return case
        when filter ? 'ids' then
            array(select id from jsonb_array_elements_text(filter->'ids') as i(text), lateral (select text::bigint as id) as n
                   where id < before order by id desc limit most)
        when filter ? 'workflow' then
            array(select job_id from workflow_node
                   where workflow_id = (filter->>'workflow')::bigint and job_id < before order by job_id desc limit most) end;
end $$;

-- place_of: the cursor behind a job. Called by: look_through. Writes: nothing.
create function place_of(walk text, of_job listed_job) returns jsonb
language sql stable as $$
    select jsonb_build_object('walk', walk, 'id', of_job.id) || case
        when walk = 'id' then '{}'
        when walk = 'finished_at' then jsonb_build_object('at', in_utc(of_job.finished_at))
        else jsonb_build_object('at', in_utc(of_job.run_at)) end || case
        when walk in ('plain', 'limited') then
            (select jsonb_build_object('priority', priority, 'queue', queue, 'lane_id', lane_id)
               from job where job.id = of_job.id)
        else '{}' end
$$;
create function place_of(walk text, id bigint) returns jsonb
language sql immutable as $$ select jsonb_build_object('walk', walk, 'id', id) where id is not null $$;

-- listed: a job as a list shows it. finished_at: that of the job, or NULL while it is live. Called by: look_through, which it is
-- inlined in, hence no settings. Writes: nothing.
create function listed(job_id bigint, finished timestamptz) returns setof listed_job
language sql stable as $$
    select id, state, null::final_reason, queue, task, args, priority, attempt_number(attempt, terms),
           attempt_number(max_attempts, terms), run_at, created_at, claimed_at, null::timestamptz, null::real, worker_id,
           retry_of, workflow_id, limits, meta, progress, control,
           unknown_since(state, unknown_since, queue, task, run_at),
           errors->-1->>'type', errors->-1->>'message', null::int, null::jsonb
      from job where id = job_id and finished is null
    union all
    select id, state, reason, queue, task, args, priority, attempt_number(attempt, terms), attempt_number(max_attempts, terms),
           run_at, created_at, claimed_at, finished_at, elapsed, worker_id, retry_of, workflow_id, limits, meta, null, control,
           null,
           errors->-1->>'type', errors->-1->>'message', null, null
      from job_history where id = job_id and finished_at = finished
    union all
    select id, state, reason, queue, task, args, priority, attempt_number(attempt, terms), attempt_number(max_attempts, terms),
           run_at, created_at, claimed_at, finished_at, elapsed, worker_id, retry_of, workflow_id, limits, meta, null, control,
           null,
           errors->-1->>'type', errors->-1->>'message', null, null
      from dead_letter where id = job_id and finished_at = finished
$$;
