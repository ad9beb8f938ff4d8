-- metric_rows: what has ended in a time, from the widest roll-ups that fit: days that lie in it whole, hours for what is left,
-- and minutes for the rest. Called by: metric_figures, series_figures, sum_rows. Writes: nothing.
-- since, until: full minutes. widest: minute, hour or day: the widest that may be used. whole: one row a time, without queue and
-- task. in_queue, of_task: only the rows of these.
create function metric_rows(
    since timestamptz, until timestamptz, widest text default 'day', whole bool default false, in_queue text default null,
    of_task text default null
) returns setof metric_row
language plpgsql stable set jit = off as $$
#variable_conflict use_variable
declare
    its       roll_up_state := (select s from roll_up_state s);
    days_to   timestamptz := case when widest = 'day' then date_bin('1 day', least(until, its.day_at), '2000-01-01Z') end;
    days_from timestamptz := date_bin('1 day', since - interval '1 us', '2000-01-01Z') + interval '1 day';
    to_       timestamptz := case when widest <> 'minute' then date_bin('1 hour', least(until, its.hour_at), '2000-01-01Z') end;
    from_     timestamptz := date_bin('1 hour', since - interval '1 us', '2000-01-01Z') + interval '1 hour';
begin
    if (to_ > from_) is not true then
        return query select * from rows_of('minute', since, until, whole, in_queue, of_task);
        return;
    end if;
    return query select * from rows_of('minute', since, from_, whole, in_queue, of_task);
    if (days_to > days_from) is not true then
        return query select * from rows_of('hour', from_, to_, whole, in_queue, of_task);
    else
        return query select * from rows_of('hour', from_, days_from, whole, in_queue, of_task);
        return query select * from rows_of('day', days_from, days_to, whole, in_queue, of_task);
        return query select * from rows_of('hour', days_to, to_, whole, in_queue, of_task);
    end if;
    return query select * from rows_of('minute', to_, until, whole, in_queue, of_task);
end $$;

-- rows_of: the roll-ups of one kind in a time. Called by: metric_rows, sum_up. Writes: nothing.
create function rows_of(
    of_unit text, since timestamptz, until timestamptz, whole bool, in_queue text default null, of_task text default null
) returns setof metric_row
language plpgsql stable set jit = off set enable_seqscan = off as $$
#variable_conflict use_variable
begin
    if whole then
        return query select at, null::text, null::text, succeeded, cancelled, failed, failed_attempts, seconds, wait_seconds,
                            duration_buckets, duration_jobs, wait_buckets, wait_jobs
                       from metric_all where unit = of_unit and at >= since and at < until;
    elsif of_unit = 'minute' then
        return query select * from metric_minute
                      where minute >= since and minute < until and (in_queue is null or queue = in_queue)
                        and (of_task is null or task = of_task);
    elsif of_unit = 'hour' then
        return query select * from metric_hour
                      where hour >= since and hour < until and (in_queue is null or queue = in_queue)
                        and (of_task is null or task = of_task);
    else
        return query select * from metric_day
                      where day >= since and day < until and (in_queue is null or queue = in_queue)
                        and (of_task is null or task = of_task);
    end if;
end $$;

-- sum_rows: the sum of the roll-ups of a time by queue and task. Called by: roll_up_hour, roll_up_day. Writes: nothing.
create function sum_rows(since timestamptz, until timestamptz, widest text) returns setof metric_row
language sql stable set jit = off set work_mem = '64MB' as $$
    with part as materialized (
        select * from metric_rows(since, until, widest)
    ), duration as (
        select queue, task, array_agg(bucket order by bucket) as buckets, array_agg(jobs order by bucket) as jobs
          from (select queue, task, bucket, sum(jobs)::int as jobs
                  from (select queue, task, unnest(duration_buckets) as bucket, unnest(duration_jobs) as jobs from part) h
                 group by queue, task, bucket) b
         group by queue, task
    ), wait as (
        select queue, task, array_agg(bucket order by bucket) as buckets, array_agg(jobs order by bucket) as jobs
          from (select queue, task, bucket, sum(jobs)::int as jobs
                  from (select queue, task, unnest(wait_buckets) as bucket, unnest(wait_jobs) as jobs from part) h
                 group by queue, task, bucket) b
         group by queue, task
    )
    select since, t.*, coalesce(d.buckets, '{}'), coalesce(d.jobs, '{}'), coalesce(w.buckets, '{}'), coalesce(w.jobs, '{}')
      from (select queue, task, sum(succeeded)::bigint, sum(cancelled)::bigint, sum(failed)::bigint,
                   sum(failed_attempts)::bigint, sum(seconds), sum(wait_seconds) from part group by queue, task) t
      left join duration d using (queue, task) left join wait w using (queue, task)
$$;

-- sum_up: writes the sum of all queues and tasks beside their rows. Called by: roll_up_minute, roll_up_hour, roll_up_day. Writes:
-- metric_all.
create function sum_up(of_unit text, this timestamptz) returns void
language sql set jit = off as $$
    with part as materialized (
        select * from rows_of(of_unit, this, this + interval '1 us', false)
    ), total as (
        select sum(succeeded)::bigint as succeeded, sum(cancelled)::bigint as cancelled, sum(failed)::bigint as failed,
               sum(failed_attempts)::bigint as failed_attempts, sum(seconds) as seconds, sum(wait_seconds) as wait_seconds
          from part having count(*) > 0
    ), duration as (
        select coalesce(array_agg(bucket order by bucket), '{}') as buckets,
               coalesce(array_agg(jobs order by bucket), '{}') as jobs
          from (select bucket, sum(jobs)::int as jobs
                  from (select unnest(duration_buckets) as bucket, unnest(duration_jobs) as jobs from part) h group by bucket) b
    ), wait as (
        select coalesce(array_agg(bucket order by bucket), '{}') as buckets,
               coalesce(array_agg(jobs order by bucket), '{}') as jobs
          from (select bucket, sum(jobs)::int as jobs
                  from (select unnest(wait_buckets) as bucket, unnest(wait_jobs) as jobs from part) h group by bucket) b
    )
    insert into metric_all
    select of_unit, this, t.*, d.buckets, d.jobs, w.buckets, w.jobs from total t, duration d, wait w
    on conflict (unit, at) do update
       set (succeeded, cancelled, failed, failed_attempts, seconds, wait_seconds,
            duration_buckets, duration_jobs, wait_buckets, wait_jobs)
         = row(excluded.succeeded, excluded.cancelled, excluded.failed, excluded.failed_attempts, excluded.seconds,
               excluded.wait_seconds, excluded.duration_buckets, excluded.duration_jobs,
               excluded.wait_buckets, excluded.wait_jobs)
$$;
