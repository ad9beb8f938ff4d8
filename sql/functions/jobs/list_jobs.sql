-- list_jobs: jobs that match a filter, page by page, each as far as a list shows it.
-- Called by: applications, people. Writes: nothing. Raises PQ001 for an invalid filter, order or cursor.
--
-- order_by  id            the newest id first
--           claim         ready jobs as workers claim them: queue by queue, those without limits first, then those with limits
--                         lane by lane (lanes take turns, so there is no order between them), then suspects
--           run_at        scheduled jobs, the next one first
--           finished_at   jobs that are over, the last one first
--           NULL          the order in which the filter is answered best: see order_of
-- after     the `next` of the last page, and with it the order; NULL = from the beginning
-- most      rows of the page, 1 to 1000
-- look      jobs that a page looks at, 1000 to 100,000, whatever it finds
--
-- The last row of a page has no id: `looked` is how many jobs it has looked at, `next` where the next page begins (NULL: there is
-- nothing more), and run_at, created_at and finished_at are those of the job where it stopped.
create function list_jobs(
    filter jsonb, order_by text default null, after jsonb default null, most int default 20, look int default 100000
) returns setof listed_job
language plpgsql security definer set search_path from current
-- The plan is pinned: a walk that sorts what is before it reads all of that, and not what its limit says.
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_sort = off
set jit = off as $$
declare
    checked jsonb := check_filter(filter);
    walks   text[] := walks_of(checked, order_by, after);
    place   job_cursor := cursor_of(after);
    row     listed_job;
    room    int := most;
    looked  int := 0;
    step    int := 1000;  -- most pages are full then; if not, it looks at more in one statement
begin
    if most is null or most not between 1 and 1000 then
        perform invalid('most', most::text, 'use 1 to 1000');
    elsif look is null or look not between 1000 and 100000 then
        perform invalid('look', look::text, 'use 1000 to 100000');
    end if;
    while cardinality(walks) > 0 and room > 0 and looked < look loop
        for row in select * from look_through(checked, walks[1], place, step, room) loop
            if row.id is not null then
                room := room - 1;
                return next row;
            end if;
        end loop;
        looked := looked + row.looked;
        place := cursor_of(row.next);
        if row.next is null then
            walks := walks[2:];
            row.next := case when cardinality(walks) > 0 then jsonb_build_object('walk', walks[1]) end;
        end if;
        step := least(step * 4, greatest(look - looked, 1));
    end loop;
    row.looked := looked;
    return next row;
end $$;

-- walks_of: the walks that a list in this order consists of, from the one on in which the last page has stopped. Called by:
-- list_jobs, count_jobs. Writes: nothing. Raises PQ001.
create function walks_of(filter jsonb, order_by text, after jsonb) returns text[]
language plpgsql stable as $$
declare
    best   text := coalesce(order_by, order_of(filter));
    states jsonb := coalesce(filter->'state', '[]');
    walks  text[] := case when best <> 'claim' then array[best]
                          when filter->>'limit' not like 'queue:%' then '{limited}'  -- what has limits has a lane
                          else '{plain,limited,suspect}' end;
begin
    if best not in ('id', 'claim', 'run_at', 'finished_at') then
        perform invalid('order_by', order_by, 'use id, claim, run_at or finished_at');
    elsif best = 'claim' and states <> '["ready"]' then
        perform invalid('order_by', order_by, 'only ready jobs have this order; add the state ready to the filter');
    elsif best = 'run_at' and states <> '["scheduled"]' then
        perform invalid('order_by', order_by, 'only scheduled jobs have this order; add the state scheduled to the filter');
    elsif best = 'finished_at' and 'job' = any (filter_places(filter)) then
        perform invalid('order_by', order_by,
                        'only jobs that are over have this order; add the states succeeded, failed or cancelled to the filter');
    elsif after is not null and array_position(walks, after->>'walk') is null then
        perform invalid('after', after::text, 'use the cursor of a page in the same order');
    end if;
    return case when filter_places(filter) = '{}' then '{}' else walks[coalesce(array_position(walks, after->>'walk'), 1):] end;
end $$;

-- order_of: the order in which the jobs of a checked filter are found with the least work. Called by: walks_of. Writes: nothing.
create function order_of(filter jsonb) returns text
language sql stable as $$
    select case when filter ?| '{ids,workflow}' then 'id'
                when filter->'state' = '["ready"]' then 'claim'
                when filter->'state' = '["scheduled"]' then 'run_at'
                when not 'job' = any (filter_places(filter)) then 'finished_at'
                else 'id' end
$$;

-- cursor_of: a cursor with SQL's own types. Called by: list_jobs. Writes: nothing. Raises PQ001.
create function cursor_of(after jsonb) returns job_cursor
language plpgsql stable as $$
begin
    if after is not null and jsonb_typeof(after) <> 'object' then
        perform invalid('after', after::text, 'use the cursor of a page');
    end if;
    return jsonb_populate_record(null::job_cursor, after - 'walk');
exception when data_exception then
    perform invalid('after', after::text, 'use the cursor of a page');
end $$;
