-- metric_rows: what has ended in a time, from the widest roll-ups that fit: days that lie in it whole, hours for what is left,
-- and minutes for the rest. Called by: metrics, metric_series, sum_rows. Writes: nothing.
-- since, until: full minutes. widest: minute, hour or day: the widest that may be used.
create function metric_rows(since timestamptz, until timestamptz, widest text default 'day') returns setof metric_row
language plpgsql stable set jit = off set enable_seqscan = off as $$
#variable_conflict use_variable
declare
    its       roll_up_state := (select s from roll_up_state s);
    days_to   timestamptz := case when widest = 'day' then date_bin('1 day', least(until, its.day_at), '2000-01-01Z') end;
    days_from timestamptz := date_bin('1 day', since - interval '1 us', '2000-01-01Z') + interval '1 day';
    to_       timestamptz := case when widest <> 'minute' then date_bin('1 hour', least(until, its.hour_at), '2000-01-01Z') end;
    from_     timestamptz := date_bin('1 hour', since - interval '1 us', '2000-01-01Z') + interval '1 hour';
begin
    if (to_ > from_) is not true then
        return query select * from metric_minute where minute >= since and minute < until;
        return;
    end if;
    return query select * from metric_minute where minute >= since and minute < from_;
    if (days_to > days_from) is not true then
        return query select * from metric_hour where hour >= from_ and hour < to_;
    else
        return query select * from metric_hour where hour >= from_ and hour < days_from;
        return query select * from metric_day where day >= days_from and day < days_to;
        return query select * from metric_hour where hour >= days_to and hour < to_;
    end if;
    return query select * from metric_minute where minute >= to_ and minute < until;
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
