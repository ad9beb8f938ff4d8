-- check_enqueue: refuses bad options and returns the time a job is due.
-- Called by: insert_job, insert_jobs, insert_plain_nodes, update, retry, checked_spec. Writes: nothing.
-- No pattern with {1,100}: to match it takes ten times as long.
create function check_enqueue(
    task text, queue text, priority int, run_at timestamptz, run_after interval,
    retries int, stored stored_options
) returns timestamptz
language plpgsql as $$
begin
    if task is null or length(task) not between 1 and 200 then
        perform invalid('task', task, 'use 1 to 200 characters');
    elsif queue is null or length(queue) not between 1 and 100 or queue ~ '[^A-Za-z0-9_.:-]' then
        perform invalid('queue', queue, 'use 1 to 100 letters, digits and . _ : -');
    elsif priority is null or priority not between -100 and 100 then
        perform invalid('priority', priority::text, 'use -100 (last) to 100 (first); 0 is the default');
    elsif run_at is not null and run_after is not null then
        perform invalid('run_after', run_after::text, 'give run_at or run_after, not both');
    elsif run_at not between '0001-01-02' and '9999-12-30' then
        perform invalid('run_at', run_at::text, 'give a time between the years 1 and 9999');
    elsif retries not between 0 and 32766 then
        perform invalid('retries', retries::text, 'use 0 to 32766');
    end if;
    if not (stored is null) then
        perform check_stored(stored);
    end if;
    return case when run_after is null then coalesce(run_at, clock_timestamp()) else due_after(run_after) end;
end $$;

-- check_stored: refuses what is stored as it is, if it is too long or large. Called by: check_enqueue. Writes: nothing.
create function check_stored(stored stored_options) returns void
language plpgsql as $$
begin
    perform check_interval('result_ttl', stored.result_ttl);
    perform check_size('meta', stored.meta, 65536);
    if stored.retry is not null then
        perform check_retry(stored.retry);
    end if;
end $$;

-- due_after: the time after an interval from now on. Called by: check_enqueue. Writes: nothing.
create function due_after(run_after interval) returns timestamptz
language plpgsql as $$
declare
    due timestamptz;
begin
    if fits(run_after, '10000 years') or fits(-run_after, '5000 years') then  -- else there may be no sum
        due := clock_timestamp() + run_after;
    end if;
    if (due between '0001-01-02' and '9999-12-30') is not true then
        perform invalid('run_after', run_after::text, 'give an interval that ends between the years 1 and 9999');
    end if;
    return due;
end $$;

-- large_bytes: how many bytes arguments have as JSON text, if more than 16 KiB, the least that max_args_bytes can be; else NULL.
-- Called by: whoever adds or changes jobs. Writes: nothing. Inlined, hence no settings.
create function large_bytes(args jsonb) returns int
language sql immutable as $$
    select case when octet_length(args::text) > 16384 then octet_length(args::text) end
$$;

-- check_args: refuses arguments that are no JSON object or too large, and returns them.
-- Called by: whoever adds or changes jobs, for what is no object, or large.
-- Only the text says how large it is: a number like 1e131071 takes 10 bytes inside PostgreSQL, and a long text may be compressed.
create function check_args(args jsonb) returns jsonb
language plpgsql as $$
declare
    most     int := (select max_args_bytes from setting);
    measured int := octet_length(args::text);
begin
    if jsonb_typeof(args) is distinct from 'object' then
        perform invalid('args', args::text, 'give the arguments by name as a JSON object, for example {"to": 1}');
    elsif measured > most then
        raise exception 'args: % bytes of JSON are too many; store what is large elsewhere and pass its id, or raise '
            'max_args_bytes of table setting (% now)',
            measured, most using errcode = 'PQ001', column = 'args';
    end if;
    return args;
end $$;
