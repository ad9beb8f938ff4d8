-- begun: where the roll-ups begin: with the first job that has ended, or with the day to which the clock was set back. Called by:
-- roll_up_to. Writes: nothing. Not before that: dead letters are kept for years, and of their days nothing else is left.
create function begun(its roll_up_state, closed timestamptz) returns roll_up_state
language plpgsql as $$
declare
    began timestamptz := closed - interval '1 minute';  -- so that the live jobs are counted at once
begin
    if its.minute_at is null or its.minute_at > closed then
        its.minute_at := least(case when its.minute_at is null then date_bin('1 minute', next_end('-infinity'), '2000-01-01Z')
                                    else date_bin('1 day', began, '2000-01-01Z') end, began);
        its.hour_at := date_bin('1 hour', least(its.hour_at, its.minute_at), '2000-01-01Z');
        its.check_at := its.hour_at;
        its.day_at := date_bin('1 day', least(its.day_at, its.minute_at), '2000-01-01Z');
        its.recheck_at := its.day_at;
    end if;
    return its;
end $$;

-- has_unclosed: whether an hour or a day is to be closed. Called by: roll_up_to. Writes: nothing.
create function has_unclosed(its roll_up_state) returns bool
language sql immutable as $$
    select its.minute_at > its.hour_at + interval '1 hour' or its.hour_at > its.day_at + interval '1 day'
$$;

-- next_end: when the first job ended that ended at this time or later; NULL = none did. Called by: begun, close_minute,
-- close_hour, close_day, is_rolled_up. Writes: nothing.
create function next_end(since timestamptz) returns timestamptz
language plpgsql stable set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
begin
    return least((select finished_at from job_history where finished_at >= since order by finished_at limit 1),
                 (select finished_at from dead_letter where finished_at >= since order by finished_at limit 1),
                 (select minute from unkept_end where minute >= since order by minute limit 1));
end $$;

-- roll_up_step: one minute, or one more minute of an hour or a day that is being closed. Times in which nothing has ended are
-- jumped over. A day comes last: figures of now are not late because of it. Called by: roll_up_to. Writes: see there.
create function roll_up_step(its roll_up_state, closed timestamptz) returns roll_up_state
language plpgsql as $$
#variable_conflict use_variable
begin
    if its.minute_at > its.hour_at + interval '1 hour' then
        return close_hour(its);
    elsif its.minute_at < closed then
        return close_minute(its, closed);
    end if;
    return close_day(its);
end $$;

-- close_minute: rolls up the next minute in which a job has ended, and counts what is live at the end of the last one.
-- Called by: roll_up_step. Writes: metric_minute, metric_depth, metric_sample.
create function close_minute(its roll_up_state, closed timestamptz) returns roll_up_state
language plpgsql as $$
declare
    next timestamptz := date_bin('1 minute', next_end(its.minute_at), '2000-01-01Z');
begin
    if next < closed then
        if exists (select from metric_minute where minute = next) then  -- the clock was set back
            perform check_minute(next);
        else
            perform roll_up_minute(next);
        end if;
        its.minute_at := next + interval '1 minute';
    else
        its.minute_at := closed;
    end if;
    if its.minute_at = closed then
        perform sample_minute(closed);
    end if;
    return its;
end $$;

-- sample_minute: has the live jobs counted as of a minute's beginning. Called by: close_minute. Writes: metric_depth,
-- metric_sample. In its own block: what ended is rolled up even if the live jobs cannot be counted.
create function sample_minute(boundary timestamptz) returns void
language plpgsql as $$
begin
    delete from metric_depth where minute = boundary;  -- the clock was set back
    perform sample_depths(boundary);
    insert into metric_sample values (boundary) on conflict do nothing;
exception when others then raise warning 'the live jobs were not counted: %', sqlerrm;
end $$;

-- close_hour: checks the next minute of an hour, and closes the hour after its last one. Called by: roll_up_step.
-- Writes: metric_minute, metric_hour.
create function close_hour(its roll_up_state) returns roll_up_state
language plpgsql as $$
declare
    ends timestamptz := its.hour_at + interval '1 hour';
    next timestamptz := date_bin('1 minute', next_end(its.check_at), '2000-01-01Z');
begin
    if next < ends then
        perform check_minute(next);
        its.check_at := next + interval '1 minute';
    else
        perform roll_up_hour(its.hour_at);
        its.hour_at := greatest(ends, date_bin('1 hour', least(next, its.minute_at - interval '1 minute'), '2000-01-01Z'));
        its.check_at := its.hour_at;
    end if;
    return its;
end $$;

-- close_day: checks the next minute of a day, whose hour follows it, and closes the day after its last one. Called by:
-- roll_up_step.
-- Writes: metric_minute, metric_hour, metric_day, metric_total, unkept_end.
create function close_day(its roll_up_state) returns roll_up_state
language plpgsql as $$
declare
    ends timestamptz := its.day_at + interval '1 day';
    next timestamptz := date_bin('1 minute', next_end(its.recheck_at), '2000-01-01Z');
begin
    if next < ends then
        if check_minute(next) then
            perform roll_up_hour(date_bin('1 hour', next, '2000-01-01Z'));
        end if;
        its.recheck_at := next + interval '1 minute';
    else
        perform roll_up_day(its.day_at);
        perform total_up(ends);
        delete from unkept_end where minute < its.day_at;  -- of the day before: the clock may be set back
        its.day_at := greatest(ends, date_bin('1 day', least(next, its.hour_at - interval '1 hour'), '2000-01-01Z'));
        its.recheck_at := its.day_at;
    end if;
    return its;
end $$;
