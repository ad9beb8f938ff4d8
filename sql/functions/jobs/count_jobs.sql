-- count_jobs: how many jobs match a filter, as far as a look at `most` jobs tells. is_over: there are no more; otherwise there
-- are at least so many. Called by: applications, people. Writes: nothing. Raises PQ001 for an invalid filter.
create function count_jobs(filter jsonb, most int default 1000000, out jobs bigint, out is_over bool)
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
declare
    checked jsonb := check_filter(filter);
    walk    text;
    looked  bigint := 0;
    place   bigint;
    chunk   record;
begin
    if most is null or most not between 1 and 10000000 then
        perform invalid('most', most::text, 'use 1 to 10,000,000');
    end if;
    jobs := 0;
    if checked ?| '{ids,workflow}' or ids_with(checked, 20000) is not null then
        loop
            select * into chunk from find_ids(checked, place, null, 20000);
            jobs := jobs + cardinality(chunk.ids);
            place := chunk.looked_to;
            looked := looked + 20000;
            is_over := chunk.is_over;
            exit when is_over or looked >= most;
        end loop;
        return;
    end if;
    is_over := true;
    foreach walk in array walks_of(checked, null, null) loop
        execute 'select count(*) as looked, count(*) filter (where fits) as fitting from ('
                || walk_through(checked, walk, false, false) || ') w'
           into chunk using filter_of(checked), null::job_cursor, most - looked;
        jobs := jobs + chunk.fitting;
        looked := looked + chunk.looked;
        is_over := is_over and looked < most;
        exit when not is_over;
    end loop;
end $$;
