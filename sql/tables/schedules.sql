-- Schedules: jobs that are made at the times of cron expressions or at intervals. A schedule is a row that holds everything that
-- its jobs need, so any worker fires it. SQL decides; workers only compute the times. See functions/schedules/fire_schedules.sql.

create table schedule (
    name          text collate "C" primary key,
    definition    jsonb not null,               -- see checked_schedule; defaults are left out
    declared      jsonb,                        -- the last declaration in code, see declare_schedule; NULL = made by people
    declared_as   jsonb,                        -- its normal form: fields in which `definition` differs are set by people
    paused_at     timestamptz,
    after_at      timestamptz not null,         -- no tick up to this time fires: the last that fired, or when its times changed
    next_tick     timestamptz,                  -- NULL: a worker is to compute the first tick after after_at, or there is none
    look_at       timestamptz,                  -- when workers look at it; NULL = never, it is paused or has ended
    last_job_id   bigint,
    last_tick     timestamptz,
    last_outcome  tick_outcome,
    last_reason   text,
    buffered_tick timestamptz,                  -- waits for last_job_id to end, see overlap buffer_one …
    buffered_for  int,                          -- … and is for so many ticks
    error         text,                         -- why the next tick cannot be computed
    created_at    timestamptz not null default clock_timestamp(),
    changed_at    timestamptz not null default clock_timestamp(),
    constraint buffered_is_for_ticks check ((buffered_tick is null) = (buffered_for is null))
) with (
    fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0
);
create index schedule_look_at on schedule (look_at) where look_at is not null;  -- promote, due_schedules

-- What became of each tick. Written only by who holds the row of the schedule: so no tick fires twice, whatever workers compute.
-- Kept apart from the jobs and the schedules, and pruned with the history.
create table schedule_tick (
    schedule   text collate "C" not null,
    tick       timestamptz not null,
    outcome    tick_outcome not null,
    reason     text,
    job_id     bigint,
    stands_for int not null default 1,          -- ticks; more than 1 for missed ones that are not listed, too
    fired_at   timestamptz not null,            -- when it was decided
    primary key (schedule, tick)
);
create index schedule_tick_fired_at on schedule_tick (fired_at);               -- prune
create index schedule_tick_missed on schedule_tick (schedule, fired_at)        -- the view schedules
    where outcome = 'coalesced' or reason = 'missed';

-- When a worker looked for due schedules last, within some seconds.
create table schedule_look (
    singleton boolean primary key default true check (singleton),
    looked_at timestamptz not null default '-infinity'
) with (fillfactor = 50);
insert into schedule_look default values;
