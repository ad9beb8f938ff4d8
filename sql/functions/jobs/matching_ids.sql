-- matching_ids: the ids of jobs that match a filter, in their order: the first `most` of those above after_id and up to upto_id.
-- Called by: applications, people, chunk by chunk. Writes: nothing. Raises PQ001 for an invalid filter.
-- Looks at 20,000 jobs at most, whatever it finds. looked_to: all ids up to there have been seen, so it is the next after_id;
-- is_over: there are no more up to upto_id (NULL: at all). A job that moves from one table to another meanwhile keeps its id: it
-- is seen once.
create function matching_ids(
    filter jsonb, after_id bigint, upto_id bigint, most int, out ids bigint[], out looked_to bigint, out is_over bool
)
language sql security definer set search_path from current as $$
    select * from find_ids(check_filter(filter), after_id, upto_id, most)
$$;

-- find_ids: matching_ids of a checked filter: to check 100,000 ids once more for each chunk would take longer than to find the
-- jobs. Called by: matching_ids, count_jobs, collect_jobs. Writes: nothing.
create function find_ids(
    checked jsonb, after_id bigint, upto_id bigint, most int, out ids bigint[], out looked_to bigint, out is_over bool
)
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
declare
    look constant int := 20000;
    upto    bigint := coalesce(upto_id, 9223372036854775807);
    known   bigint[] := known_ids(checked, coalesce(after_id, 0), upto, look);
    places  text[] := filter_places(checked);
    looked  int;
begin
    ids := '{}';
    looked_to := upto;
    is_over := true;
    if known = '{}' or places = '{}' then
        return;
    end if;
    execute (
        select 'with found as materialized (select id from (select * from (' || string_agg(
                   'select id, ' || filter_terms(checked, place) || ' as fits from ' || place, ' union all ')
               || ') w where ' || range || ' order by id limit $5) seen where fits order by id limit $6), '
               || 'looked as (select count(*), max(id) from (select id from ('
               || string_agg('select id from ' || place, ' union all ') || ') w where ' || range
               || ' order by id limit $5) seen where (select count(*) from found) < $6) '
               || 'select array(select id from found order by id), count, max from looked'
          from unnest(places) as p(place), ids_in(known) as range group by range)
       into ids, looked, looked_to using filter_of(checked), coalesce(after_id, 0), upto, known, look, most;
    is_over := cardinality(ids) < most and coalesce(cardinality(known), looked) < look;
    looked_to := case when cardinality(ids) >= most then ids[cardinality(ids)]
                      when is_over then upto
                      when known is not null then known[cardinality(known)]
                      else looked_to end;
end $$;

-- ids_in: the part of a statement that limits a look to ids: $2 and $3 are the range, $4 those that are known. Called by:
-- find_ids. Writes: nothing.
create function ids_in(known bigint[]) returns text
language sql immutable as $$
    select 'id > $2 and id <= $3' || case when known is not null then ' and id = any ($4)' else '' end
$$;

-- known_ids: the ids that jobs of a checked filter may have, where something else than the tables of jobs tells them: the first
-- `most` of a range, in their order; NULL = it must be looked through. Called by: find_ids. Writes: nothing.
create function known_ids(filter jsonb, after_id bigint, upto_id bigint, most int) returns bigint[]
language plpgsql as $$
declare
    with_it bigint[] := case when not filter ?| '{ids,workflow}' then ids_with(filter, most) end;
begin
    return case
        when with_it is not null then
            array(select id from unnest(with_it) as w(id) where id > after_id and id <= upto_id order by id)
        when filter ? 'ids' then
            array(select id from jsonb_array_elements_text(filter->'ids') as i(text), lateral (select text::bigint as id) as n
                   where id > after_id and id <= upto_id order by id limit most)
        when filter ? 'workflow' then
            array(select job_id from workflow_node
                   where workflow_id = (filter->>'workflow')::bigint and job_id > after_id and job_id <= upto_id
                   order by job_id limit most)
        when filter->'state' = '["running"]' then
            array(select id from (select id from job where state = 'running' offset 0) r  -- offset: not by the primary key
                   where id > after_id and id <= upto_id order by id limit most) end;
end $$;
