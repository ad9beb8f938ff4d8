-- Bulk work over a filter: it survives whoever has asked for it, see start_operation. An install that never starts any has empty
-- tables here, and its workers look at an empty index.
create table operation (
    id           bigint generated always as identity primary key,
    kind         text not null check (kind in ('cancel', 'retry', 'discard', 'update')),
    filter       jsonb not null,                -- as it was checked, its times resolved
    spec         jsonb not null,                -- the options of the verb, see checked_spec
    asked_by     text not null,
    reason       text,
    state        text not null default 'collecting' check (state in (
        'collecting',                           -- finds the jobs, see collect_jobs
        'running',                              -- acts on them, see do_chunk
        'done',
        'cancelled')),                          -- by cancel_operation: what is done stays
    dry_run      bool not null,                 -- counts and changes nothing
    per_second   float8,                        -- the most jobs that it acts on in a second; NULL = no limit
    upto_id      bigint not null,               -- jobs with a higher id were added later
    collected_to bigint not null default 0,     -- where the search has got to …
    done_to      bigint not null default 0,     -- … and where the work has, in this pass; what is locked is left to the next one
    held_since   timestamptz,                   -- only locked jobs have been left since
    matched      int not null default 0,
    did          jsonb not null default '{}',   -- jobs by what became of them: {"cancelled": 90, "asked": 10}
    skipped      jsonb not null default '{}',   -- jobs by the reason why not: {"is succeeded": 2}
    failed       int not null default 0,        -- an error that was not expected …
    errors       jsonb not null default '[]',   -- … and the last 10 of them: [{"job_id", "message"}]
    created_at   timestamptz not null default clock_timestamp(),
    started_at   timestamptz,                   -- all jobs were found
    finished_at  timestamptz,
    cancelled_by text,
    next_at      timestamptz not null default clock_timestamp(),  -- not before then: per_second
    constraint over_has_a_time check ((state in ('done', 'cancelled')) = (finished_at is not null))
) with (fillfactor = 50);
create index operation_open on operation (next_at, id) where finished_at is null;  -- carry_on_operations
create index operation_finished_at on operation (finished_at);                     -- prune

-- The jobs that an operation is still to act on: each leaves in the transaction that acts on it, so none is done twice. Those of
-- an operation that was cancelled go with prune.
create table operation_job (
    operation_id bigint not null,
    job_id       bigint not null,
    primary key (operation_id, job_id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
