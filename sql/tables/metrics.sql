-- Roll-ups: what has ended, by minute, hour and day, queue and task. Derived from job_history and dead_letter, never counted
-- beside them, so a row is written once a minute and not once a job; see roll_up. Times are in UTC.
-- Histograms are sparse: jobs[i] of them fell into the bucket buckets[i], see bucket_of.

create table metric_minute (
    minute           timestamptz not null,      -- its beginning
    queue            text not null,
    task             text not null,
    succeeded        bigint not null,
    cancelled        bigint not null,
    failed           bigint not null,           -- dead letters, those that were retried or removed meanwhile too
    failed_attempts  bigint not null,           -- of all these jobs, see failed_attempts
    seconds          float8 not null,           -- in handlers
    wait_seconds     float8 not null,           -- from being due to the last claim
    duration_buckets smallint[] not null,       -- of jobs whose handler's time is known
    duration_jobs    int[] not null,
    wait_buckets     smallint[] not null,       -- of jobs that were claimed
    wait_jobs        int[] not null,
    primary key (minute, queue, task)
);

create table metric_hour (
    hour             timestamptz not null,
    queue            text not null,
    task             text not null,
    succeeded        bigint not null,
    cancelled        bigint not null,
    failed           bigint not null,
    failed_attempts  bigint not null,
    seconds          float8 not null,
    wait_seconds     float8 not null,
    duration_buckets smallint[] not null,
    duration_jobs    int[] not null,
    wait_buckets     smallint[] not null,
    wait_jobs        int[] not null,
    primary key (hour, queue, task)
);

create table metric_day (
    day              timestamptz not null,      -- midnight in UTC
    queue            text not null,
    task             text not null,
    succeeded        bigint not null,
    cancelled        bigint not null,
    failed           bigint not null,
    failed_attempts  bigint not null,
    seconds          float8 not null,
    wait_seconds     float8 not null,
    duration_buckets smallint[] not null,
    duration_jobs    int[] not null,
    wait_buckets     smallint[] not null,
    wait_jobs        int[] not null,
    primary key (day, queue, task)
);

-- The sums of all queues and tasks, so that charts of everything read one row a step.
create table metric_all (
    unit             text not null check (unit in ('minute', 'hour', 'day')),
    at               timestamptz not null,
    succeeded        bigint not null,
    cancelled        bigint not null,
    failed           bigint not null,
    failed_attempts  bigint not null,
    seconds          float8 not null,
    wait_seconds     float8 not null,
    duration_buckets smallint[] not null,
    duration_jobs    int[] not null,
    wait_buckets     smallint[] not null,
    wait_jobs        int[] not null,
    primary key (unit, at)
);

-- The sums of all closed days, so that counters from the beginning on read one row for each queue and task, and not each of its
-- days; see total_up. After the clock was set back by days they are too high until a day is closed.
create table metric_total (
    queue            text not null,
    task             text not null,
    first_day        date not null,             -- in UTC
    succeeded        bigint not null,
    cancelled        bigint not null,
    failed           bigint not null,
    failed_attempts  bigint not null,
    seconds          float8 not null,
    wait_seconds     float8 not null,
    primary key (queue, task)
);

-- How many jobs were live at the beginning of a minute, see sample_depths. What was added in a time is what has ended in it and
-- the change of this.
create table metric_depth (
    minute   timestamptz not null,
    queue    text not null,
    priority smallint not null,
    state    job_state not null,
    jobs     bigint not null,
    primary key (minute, queue, priority, state)
);

-- The minutes of which there is a sample of depth: one without live jobs has no row above.
create table metric_sample (
    minute timestamptz primary key
);

-- Ends of jobs of which neither the history nor the dead letters have a row: those of queues that keep no history, and of dead
-- letters and skipped nodes that came back or were removed before their day was closed. A row for all jobs of one call that ended
-- alike; only inserted into, and deleted when the day is closed. See note_unkept.
create table unkept_end (
    minute          timestamptz not null,       -- in which they ended
    queue           text not null,
    task            text not null,
    state           job_state not null,
    priority        smallint not null,
    jobs            int not null,
    created_before  int not null,               -- of these, how many had been created before the minute
    failed_attempts int not null,
    seconds         float8 not null,
    wait_seconds    float8 not null,
    durations       smallint[] not null,        -- the bucket of each job; NULL = not known
    waits           smallint[] not null
);
create index unkept_end_minute on unkept_end (minute);  -- roll_up_minute, next_end, keep_depths

-- How far roll_up has come: everything before these times is closed. One row, locked by who is at it.
create table roll_up_state (
    singleton boolean primary key default true check (singleton),
    minute_at timestamptz,                      -- NULL = nothing was rolled up yet
    check_at  timestamptz,                      -- the minutes of the hour that is being closed are checked up to here
    hour_at   timestamptz,
    recheck_at timestamptz,                     -- and those of the day up to here
    day_at    timestamptz,
    rolled_at timestamptz                       -- when a call was last at it
) with (fillfactor = 50);
insert into roll_up_state default values;
