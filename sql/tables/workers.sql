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
    tasks         text[]                             -- those it can run: see knows_task; NULL = it has not said
) with (fillfactor = 50);

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
