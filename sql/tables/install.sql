-- The install itself: what an operator may set, and what upkeep remembers.

-- One row for the whole install: what an operator may want to change without touching code.
create table setting (
    singleton      boolean primary key default true check (singleton),
    history_days   int not null default 7 check (history_days between 1 and 36500),  -- finished jobs are kept so many whole days
    dead_days      int check (dead_days between 1 and 36500),  -- dead letters are kept this long, see prune_dead; NULL = for ever
    -- Of a job's arguments as JSON text.
    max_args_bytes int not null default 1048576 check (max_args_bytes between 16384 and 67108864),
    max_workflow_nodes int not null default 100000 check (max_workflow_nodes between 1 and 10000000),
    metric_minute_days int not null default 7 check (metric_minute_days between 1 and 36500),  -- of roll-ups of minutes
    metric_hour_days   int not null default 90 check (metric_hour_days between 1 and 36500),   -- those of hours; of days for ever
    log_lines      int not null default 1000 check (log_lines between 1 and 100000),              -- the last ones of each job
    log_bytes      int not null default 65536 check (log_bytes between 16384 and 67108864),       -- of these lines
    -- How often in a row a worker that stops may give back a job whose handler has begun: then a suspect, then failed.
    max_interruptions int not null default 10 check (max_interruptions >= 1),
    audit_days     int not null default 365 check (audit_days between 1 and 36500),  -- what people have done is kept so long
    created_at     timestamptz not null default clock_timestamp()
);
insert into setting default values;

-- What one transaction at a time may do has a row here, which it locks: see try_lock. Rows and no advisory locks, because those
-- can be taken by whoever may connect. Never updated, so that no lock fails in REPEATABLE READ and nothing grows.
create table lock (
    name text collate "C" primary key           -- of what is done; or of a kind of keys, with a number, see lock_slot
);
insert into lock values ('maintain'), ('queues'), ('depths');
insert into lock select 'bucket ' || slot from generate_series(0, 1023) as s(slot);
insert into lock select 'schedule ' || slot from generate_series(0, 1023) as s(slot);

-- The clock as upkeep has seen it last: one that is behind it was set back, see follow_clock.
create table clock (
    singleton boolean primary key default true check (singleton),
    seen_at   timestamptz not null default clock_timestamp()
) with (fillfactor = 50);
insert into clock default values;

-- When maintenance was done last: one row, updated by whichever worker does it, about once a minute. See maintain_if_due.
create table upkeep (
    singleton  boolean primary key default true check (singleton),
    done_at    timestamptz not null default '-infinity',  -- in the future after the clock was set back: then it is due
    whole_at   timestamptz not null default '-infinity',  -- the last time that all of it was done, and not only the rest
    next_at    timestamptz not null default '-infinity',
    warned_at  timestamptz not null default '-infinity',
    steps_from bigint not null default 0,       -- the job id up to which prune_steps has come
    logs_from  bigint not null default 0        -- the job id up to which prune_logs has come; 0 = it begins anew
) with (fillfactor = 50);
insert into upkeep default values;
