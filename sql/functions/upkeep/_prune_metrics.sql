-- prune_metrics: deletes roll-ups of minutes and hours that are old, and samples of depth; of those full hours stay as long as
-- hours, midnights for ever. Returns whether there may be more. Called by: prune.
-- Writes: metric_minute, metric_hour, metric_all, metric_depth, metric_sample.
create function prune_metrics(most int) returns bool
language plpgsql set enable_seqscan = off set jit = off as $$
declare
    -- Not before the day is closed, which is made of them.
    minutes timestamptz := (select least(clock_timestamp() - make_interval(days => metric_minute_days), day_at)
                              from setting, roll_up_state);
    hours   timestamptz := (select least(clock_timestamp() - make_interval(days => metric_hour_days), day_at)
                              from setting, roll_up_state);
    old     timestamptz[];
    gone    int;
    is_more bool;
begin
    delete from metric_minute where ctid = any (array(
        select ctid from metric_minute where minute < minutes order by minute limit most));
    get diagnostics gone = row_count;
    is_more := gone = most;
    delete from metric_hour where ctid = any (array(
        select ctid from metric_hour where hour < hours order by hour limit most));
    get diagnostics gone = row_count;
    is_more := is_more or gone = most;
    delete from metric_all where unit = 'minute' and at < minutes or unit = 'hour' and at < hours;
    old := array(select minute from metric_sample
                  where minute < minutes and (minute <> date_bin('1 hour', minute, '2000-01-01Z')
                                              or minute < hours and minute <> date_bin('1 day', minute, '2000-01-01Z'))
                  order by minute limit 1000);
    delete from metric_depth where minute = any (old);
    delete from metric_sample where minute = any (old);
    return is_more or cardinality(old) = 1000;
end $$;

-- is_rolled_up: whether all that ended before a day is in the roll-ups; if not, it rolls up what takes a second. An error is a
-- warning: the history does not grow because of it. Called by: run_maintain, before it drops the days before. Writes: see
-- roll_up.
create function is_rolled_up(day date) returns bool
language plpgsql as $$
declare
    midnight timestamptz := day::timestamp at time zone 'UTC';
begin
    if (next_end('-infinity') < midnight) is not true or (select minute_at >= midnight from roll_up_state) then
        return true;
    end if;
    perform roll_up();
    return coalesce((select minute_at >= midnight from roll_up_state), false);
exception
    when lock_not_available then return false;
    when others then
        raise warning 'what ended before % was not rolled up: %', day, sqlerrm;
        return true;
end $$;
