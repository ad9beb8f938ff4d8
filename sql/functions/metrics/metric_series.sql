-- metric_series: what happened step by step, for charts; a row for each step, also where nothing happened. Called by:
-- app.metric_series, dashboards. Writes: nothing.
-- step: full minutes. since: the first step is the one in which it lies; steps of a day begin at midnight in UTC, of a week on
-- Monday. until: NULL, or later than that: the end of the last minute that is closed, where the last step may end early.
-- queue, task: only jobs of these. Steps of hours or days are read from hours and days; minutes are kept for 7 days, hours for
-- 90. ready, live: the jobs at the end of the step; enqueued, ready and live are NULL for a task, and where they were not
-- counted.
-- Raises PQ001 for a bad step, and if there are more than 10,000 steps.
create function metric_series(
    step interval, since timestamptz, until timestamptz default null, queue text default null, task text default null
) returns table (
    at timestamptz, enqueued bigint, succeeded bigint, failed bigint, cancelled bigint, failed_attempts bigint,
    completed_per_second float8, duration_p50_ms float8, duration_p95_ms float8, duration_p99_ms float8,
    wait_p50_ms float8, wait_p95_ms float8, wait_p99_ms float8, ready bigint, live bigint
)
language plpgsql stable security definer set search_path from current set timezone = 'UTC' set jit = off as $$
#variable_conflict use_variable
declare
    seconds float8 := extract(epoch from step);
    born    timestamptz := (select created_at from setting);  -- nothing was live before
    ends    timestamptz := least(date_bin('1 minute', until, '2000-01-01Z'), coalesce(
                               (select minute_at from roll_up_state), date_bin('1 minute', clock_timestamp(), '2000-01-01Z')));
    begins  timestamptz;
begin
    if (seconds >= 60 and seconds <= 3.2e9 and seconds::numeric % 60 = 0 and extract(month from step) = 0
            and extract(year from step) = 0) is not true then
        perform invalid('step', step::text, 'give full minutes, hours, days or weeks');
    end if;
    if (since between '0001-01-02Z' and '9999-12-30Z') is not true then
        perform invalid('since', since::text, 'give the time with which the first step begins');
    end if;
    begins := date_bin(step, since, '2001-01-01Z');
    if extract(epoch from ends - begins) > 10000 * seconds then
        perform invalid('step', step::text, format('it makes more than 10000 steps since %s; give a longer one',
                                                   to_char(begins at time zone 'UTC', 'YYYY-MM-DD HH24:MI')));
    end if;
    return query
    with depth as materialized (
        select * from depths_at(begins, ends, step, queue)
    )
    select s.at, case when task is null and l.live is not null and (b.live is not null or s.at <= born)
                      then greatest(coalesce(f.ended, 0) + l.live - coalesce(b.live, 0), 0)::bigint end,
           coalesce(f.succeeded, 0), coalesce(f.failed, 0), coalesce(f.cancelled, 0), coalesce(f.failed_attempts, 0),
           coalesce(f.ended, 0) / extract(epoch from s.ends - s.at)::float8,
           f.duration_p[1], f.duration_p[2], f.duration_p[3], f.wait_p[1], f.wait_p[2], f.wait_p[3],
           case when task is null then l.ready end, case when task is null then l.live end
      from (select g.at, least(g.at + step, ends) as ends
              from generate_series(begins, ends - interval '1 us', step) as g(at)) s
      left join series_figures(step, begins, ends, queue, task) f on f.at = s.at
      left join depth b on b.minute = s.at
      left join depth l on l.minute = s.ends
     order by s.at;
end $$;
