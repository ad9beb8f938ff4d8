-- ids_with: the ids of the jobs with the args or the meta of a checked filter, if there are `most` at most and the install has an
-- index that tells: on each table in which the jobs can be. NULL = it must be looked for. Called by: look_through, known_ids,
-- count_jobs. Writes: nothing.
-- What more jobs have is found soon by a walk. Bitmaps are how such an index is read.
create function ids_with(filter jsonb, most int) returns bigint[]
language plpgsql set enable_bitmapscan = on set jit = off as $$
declare
    field text;
    ids   bigint[];
begin
    foreach field in array '{args,meta}'::text[] loop
        continue when not filter ? field
                      or exists (select from unnest(filter_places(filter)) as p(place) where not has_index_on(place, field));
        execute (
            select 'select array(' || string_agg(
                       '(select id from ' || place || ' where ' || field || ' @> $1 limit $2)', ' union all ') || ')'
              from unnest(filter_places(filter)) as p(place))
           into ids using filter->field, most + 1;
        if cardinality(ids) <= most then
            return ids;
        end if;
    end loop;
    return null;
end $$;

-- has_index_on: whether somebody has made an index that finds jobs by what this column contains. Called by: ids_with. Writes:
-- nothing.
create function has_index_on(place text, field text) returns bool
language sql stable as $$
    select exists (
        select from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am m on m.oid = c.relam
          join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
         where i.indrelid = place::regclass and m.amname = 'gin' and i.indisvalid and i.indpred is null and a.attname = field)
$$;
