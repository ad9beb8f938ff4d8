-- fits: whether an interval is not negative, no longer than `most`, and can be added to a time of today. NULL gives NULL.
-- Called by: check_interval, and functions with bounds of another form. Writes: nothing. Inlined, hence no settings.
-- A comparison takes a month for 30 days, so parts with different signs may make up next to nothing: 293,000 years and as many
-- days less. Added to a time one after the other they leave the calendar. So each part has its bound.
create function fits(value interval, most interval) returns bool
language sql immutable as $$
    select value between interval '0' and most and extract(year from value) between -1000 and 10000
           and extract(day from value) between -400000 and 4000000 and extract(hour from value) between -9600000 and 96000000
$$;

-- check_interval: refuses an interval that is negative or longer than `most`; NULL passes.
-- Called by: functions that take durations. Writes: nothing. Raises PQ001.
-- most: an interval, in the words of the message: as text it would depend on the IntervalStyle of the session.
create function check_interval(field text, value interval, most text default '1000 years') returns void
language plpgsql as $$
begin
    if not fits(value, most::interval) then
        perform invalid(field, value::text, 'use an interval from 0 to ' || most);
    end if;
end $$;

-- check_size: refuses JSON that is too large as text; NULL passes. Only the text says how large it is: a number like 1e131071
-- takes 10 bytes inside PostgreSQL. Called by: functions that store JSON of others. Writes: nothing. Raises PQ001.
create function check_size(field text, value jsonb, most int) returns void
language plpgsql as $$
declare
    size int := octet_length(value::text);
begin
    if size > most then
        perform invalid(field, left(value::text, 100), format(
                'it has %s bytes of JSON, at most %s are allowed; store what is large elsewhere and give its id', size, most));
    end if;
end $$;

-- check_length: refuses a text that is too long; NULL passes. Called by: check_worker, check_about, heartbeat, enqueue_once.
-- Writes: nothing. Raises PQ001.
create function check_length(field text, value text, most int) returns void
language plpgsql as $$
begin
    if length(value) > most then
        perform invalid(field, value, format('it has %s characters; use at most %s', length(value), most));
    end if;
end $$;

-- sane_elapsed: seconds that a handler took as they are stored: not negative, 31 years at most, and a number. NULL gives NULL.
-- Called by: finish_ended, finish_unended. Writes: nothing. Inlined, hence no settings. NaN is larger than any number.
create function sane_elapsed(given real) returns real
language sql immutable as $$
    select case when given > 1e9::real then 1e9::real when given < 0::real then 0::real else given end
$$;
