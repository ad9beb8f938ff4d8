-- roll_up_hour: writes the rows of an hour, the sum of its minutes. Called by: close_hour, close_day. Writes: metric_hour,
-- metric_all.
create function roll_up_hour(this timestamptz) returns void
language sql as $$
    insert into metric_hour select * from sum_rows(this, this + interval '1 hour', 'minute')
    on conflict (hour, queue, task) do update
       set (succeeded, cancelled, failed, failed_attempts, seconds, wait_seconds,
            duration_buckets, duration_jobs, wait_buckets, wait_jobs)
         = row(excluded.succeeded, excluded.cancelled, excluded.failed, excluded.failed_attempts, excluded.seconds,
               excluded.wait_seconds, excluded.duration_buckets, excluded.duration_jobs,
               excluded.wait_buckets, excluded.wait_jobs);
    select sum_up('hour', this)
$$;

-- roll_up_day: writes the rows of a day, the sum of its hours. Called by: close_day. Writes: metric_day, metric_all.
create function roll_up_day(this timestamptz) returns void
language sql as $$
    insert into metric_day select * from sum_rows(this, this + interval '1 day', 'hour')
    on conflict (day, queue, task) do update
       set (succeeded, cancelled, failed, failed_attempts, seconds, wait_seconds,
            duration_buckets, duration_jobs, wait_buckets, wait_jobs)
         = row(excluded.succeeded, excluded.cancelled, excluded.failed, excluded.failed_attempts, excluded.seconds,
               excluded.wait_seconds, excluded.duration_buckets, excluded.duration_jobs,
               excluded.wait_buckets, excluded.wait_jobs);
    select sum_up('day', this)
$$;

-- total_up: writes the sums of all days before this one anew: so whatever has happened to them, they are right. Called by:
-- close_day. Writes: metric_total.
create function total_up(until timestamptz) returns void
language sql set jit = off as $$
    delete from metric_total;
    insert into metric_total
    select queue, task, min(day at time zone 'UTC')::date, sum(succeeded), sum(cancelled), sum(failed), sum(failed_attempts),
           sum(seconds), sum(wait_seconds)
      from metric_day where day < until group by queue, task
$$;
