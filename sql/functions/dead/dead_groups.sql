-- dead_groups: the dead letters of a filter by fingerprint: each kind of failure is one row.
-- Called by: operators, dashboards. Writes: nothing. Raises PQ001 for an invalid filter, order or time.
-- Looks at the newest dead letters: at those, or of a fingerprint, a type, a time, ids at theirs. looked_to says how far that
-- was; NULL = all were seen. If none of these matches, and there are more, one row without jobs says so.
-- sort    jobs: the largest group first; last_at: the one that failed last
-- look    at so many dead letters, 100 to 100,000
-- span    how far back the series goes, 1 hour to 1,000 days; NULL = there is none
-- message, sample_id  of the newest job of the group; see pgqueue job for its traceback
-- tasks, queues       up to five of them
-- series              how many failed in each of 24 equal steps, the oldest first; the last step is the one that is now
create function dead_groups(
    filter jsonb default '{}', most int default 20, sort text default 'jobs', span interval default null, look int default 100000
) returns table (
    fingerprint text, jobs bigint, first_at timestamptz, last_at timestamptz, error_type text, reason final_reason,
    message text, sample_id bigint, tasks text[], queues text[], looked_to timestamptz, series bigint[]
)
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_column
declare
    checked jsonb := dead_filter(filter);
    step    interval;
    ends    timestamptz;
    ordered text  := case sort when 'jobs' then 'jobs desc, last_at desc, fingerprint'
                               when 'last_at' then 'last_at desc, jobs desc, fingerprint' end;
    kinds   text  := 'part as materialized (
             select fingerprint, task, queue, count(*) as jobs, min(finished_at) as first_at, max(finished_at) as last_at,
                    max(id) as newest
               from seen group by fingerprint, task, queue),
         kind as (
             select fingerprint, sum(jobs)::bigint as jobs, min(first_at) as first_at, max(last_at) as last_at,
                    max(newest) as newest, (array_agg(distinct task))[:5] as tasks, (array_agg(distinct queue))[:5] as queues,
                    null::bigint[] as steps
               from part group by fingerprint order by ' || ordered || ' limit $2)';
begin
    if ordered is null then
        perform invalid('sort', sort, 'use jobs or last_at');
    end if;
    if span < interval '1 hour' or span > interval '1000 days' then
        perform invalid('span', span::text, 'use 1 hour to 1000 days');
    end if;
    if span is not null then
        step := make_interval(secs => extract(epoch from span)::float8 / 24);
        ends := date_bin(step, clock_timestamp(), '2001-01-01Z') + step;
        -- The kinds that are wanted first, and only of these the steps, which make many more groups. Step 0: before the first.
        kinds := 'wanted as materialized (
             select fingerprint, count(*) as jobs, min(finished_at) as first_at, max(finished_at) as last_at, max(id) as newest
               from seen group by fingerprint order by ' || ordered || ' limit $2),
         part as materialized (
             select w.newest, s.task, s.queue, count(*) as jobs,
                    greatest(25 - ceil(extract(epoch from $3 - s.finished_at) / $4), 0)::bigint as step
               from seen s join wanted w on coalesce(w.fingerprint, '''') = coalesce(s.fingerprint, '''')
              group by w.newest, s.task, s.queue, step),
         named as (
             select newest, (array_agg(distinct task))[:5] as tasks, (array_agg(distinct queue))[:5] as queues,
                    array_agg(array[step, jobs]) as steps
               from part group by newest),
         kind as (select * from wanted join named using (newest))';
    end if;
    return query execute
        'with seen as materialized (
             select fingerprint, task, queue, finished_at, id ' || dead_source(checked, dead_look(look)) || '),
         ' || kinds || '
         select k.fingerprint, k.jobs, k.first_at, k.last_at, d.error_type, d.reason, d.errors->-1->>''message'', k.newest,
                k.tasks, k.queues, l.at, step_series(k.steps)
           from (select (' || dead_looked_to(checked, look) || ') as at) l
           left join (kind k join dead_letter d on d.id = k.newest) on true
          where k.jobs is not null or l.at is not null order by ' || ordered
      using filter_of(checked), greatest(coalesce(most, 20), 1), ends, extract(epoch from step);
end $$;

-- step_series: 24 numbers, of pairs of a step and a number; NULL for NULL. What is of another step is left out.
-- Called by: dead_groups. Writes: nothing.
create function step_series(steps bigint[]) returns bigint[]
language sql immutable as $$
    select case when steps is not null then
               array(select coalesce(sum(p.jobs), 0)::bigint
                       from generate_series(1, 24) n
                       left join (select steps[i][1] as step, steps[i][2] as jobs from generate_subscripts(steps, 1) i) p
                         on p.step = n
                      group by n order by n) end
$$;
