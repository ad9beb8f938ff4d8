-- One row per operating-system process and start.
create table worker (
    id            uuid primary key,
    name          text not null,
    host          text not null,
    pid           int not null,
    version       text not null,
    state         worker_state not null default 'active',
    queues        text[] not null,
    concurrency   int not null,
    lease         interval not null,
    wake_mode     text not null default 'starting',  -- notify, or polling and why
    running       int not null default 0,            -- handlers at the last heartbeat
    started       bigint[] not null default '{}',    -- jobs whose handlers had begun at the last heartbeat
    timed         jsonb,                             -- those of them that have a time limit, see heartbeat; NULL = none
    started_at    timestamptz not null,
    heartbeat_at  timestamptz not null,
    schedules     text[] not null default '{}',      -- those that its app declares
    tasks         text[],                            -- those it can run: see knows_task; NULL = it has not said
    loop_lag      real,                              -- seconds for which its event loop was blocked at the longest, see heartbeat
    memory        bigint,                            -- bytes of its process
    memory_limit  bigint,                            -- bytes that its container may use; NULL = no limit
    cores         real,                              -- CPUs that its container may use
    cpu_seconds   float8,                            -- what its process has used of them since its start
    done          bigint not null default 0,         -- runs that have succeeded since its start
    failed        bigint not null default 0,         -- runs that have failed since its start
    last_error    text,                              -- type and message of the last one
    app_version   text,                              -- of the application, as it says
    draining      bool not null default false,       -- it claims nothing more and ends when its handlers have
    told          text check (told in ('drain', 'restart')),  -- what it was told, see tell_worker; NULL = nothing
    lost_because  text,                              -- why its process has ended, as its supervisor has reported; see bury_worker
    lost_reason   final_reason,                      -- the same for programs: crashed, memory or worker_shutdown
    killed        bigint,                            -- the job that alone may have been running then; NULL = none, or several
    pool          text,                              -- the pool whose agent has started it; NULL = none
    slot          int,                               -- the slot of the pool that it fills
    generation    int                                -- of the slot when it started, see roll_pool
) with (fillfactor = 50);

-- What workers do at a moment: the last answer of each that was asked, for an hour. Empty in an install where nobody asks.
-- No foreign key: the answer outlives its worker.
create table worker_stacks (
    worker_id    uuid primary key,
    asked_at     timestamptz not null,
    asked_by     text not null,
    answered_at  timestamptz,                        -- before asked_at: an earlier question's; the next answer is on its way
    stacks       jsonb
);

-- What rescue did, a row a job; pruned with the history.
create table rescue_log (
    rescued_at  timestamptz not null,
    job_id      bigint not null,
    worker_id   uuid not null,
    queue       text not null,
    task        text not null,
    crashed     bool not null                        -- it became a dead letter
);
create index rescue_log_rescued_at on rescue_log (rescued_at);
