-- Live work is small and hot (job); what is over is append-only (job_history) or waits for a person (dead_letter).
-- Invariants stand here as CHECK constraints, so that no function can break them unseen. They run at every claim, so
-- each must be cheap: a regular expression here cost 3 µs a job; enqueue checks names instead. And short, because each statement
-- reads them all anew, which is a tenth of a single enqueue.

create table job (
    id            bigint generated always as identity primary key,
    run_at        timestamptz not null,
    created_at    timestamptz not null,
    claimed_at    timestamptz,
    claim_token   uuid,                         -- the fence: one random value per claim call
    worker_id     uuid,                         -- no foreign key: a key would lock the worker row at every claim
    retry_of      bigint,                       -- the finished job that this one runs again
    workflow_id   bigint,                       -- the job is a node of this workflow; NULL = plain job
    lane_id       uuid,                         -- the queue and limits as one value, see lane_of; NULL = job without limits
    state         job_state not null,
    priority      smallint not null default 0 check (priority between -100 and 100),  -- larger runs first
    attempt       smallint not null default 0 check (attempt >= 0),      -- runs that count so far, the current one included
    max_attempts  smallint not null default 4 check (max_attempts >= 1), -- 1 + the retries allowed
    rescues       smallint not null default 0,  -- times taken from a lost worker while it may have been running
    queue         text not null default 'default' check (length(queue) between 1 and 100),
    task          text not null check (length(task) between 1 and 200),
    args          jsonb not null default '{}' check (jsonb_typeof(args) = 'object'),
    retry         jsonb,                        -- NULL = the default policy of retry_delay
    result_ttl    interval,                     -- NULL = the default of finish
    unique_key    bytea,                        -- digest that no other live job may have, see unique_digest
    unique_mode   unique_mode,                  -- until when; never period
    meta          jsonb,                        -- free for the user; never read by the queue
    unknown_since timestamptz,                  -- first time a worker had no such task; NULL = known
    put_off_at    timestamptz,                  -- run_at was counted from here, by a retry or a snooze; NULL = it was given
    errors        jsonb,                        -- the last 20 attempts that did not succeed, oldest first
    progress      jsonb,                        -- as last reported by the handler; the next run keeps it until it reports its own
    limits        text[] collate "C",           -- the keys of its limits, sorted; NULL = none
    cost          int check (cost >= 1),        -- tokens that a start takes of each of its limits; NULL = 1
    holds_place   bool,                         -- its claim has taken a place of a limit with max_running
    terms         jsonb,                        -- how long it may take, its schedule, its trace, see terms_from; NULL = none
    control       jsonb,                        -- what happened to it out of the ordinary, see below; NULL = nothing
    expires_at    timestamptz,                  -- if it has not started by then, expire cancels it; NULL = never
    deadline_at   timestamptz,                  -- if it is not over by then, it fails with reason timeout; NULL = never
    -- Of args as JSON text, where it is more than 16 KiB: bounds a claim. What is written by hand counts as a whole one.
    args_bytes    int default 16777216,
    constraint running_is_owned check (
        num_nonnulls(claim_token, worker_id, claimed_at) = case when state = 'running' then 3 else 0 end),
    constraint only_live_states check (state <= 'running')
) with (
    fillfactor = 85,
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
    autovacuum_vacuum_insert_threshold = -1
);

create index job_ready on job (queue, priority desc, run_at, id)  -- claim
    where state = 'ready' and rescues < 2 and lane_id is null;
create index job_lane on job (lane_id, priority desc, run_at, id) -- claim_lanes
    where state = 'ready' and lane_id is not null;
create index job_place on job (claim_token, lane_id)              -- lock_buckets: places in use; only running jobs have a token
    where holds_place and claim_token is not null;
create index job_scheduled on job (run_at, id)                    -- promote, follow_clock
    where state = 'scheduled';
create index job_running on job (worker_id, claimed_at)           -- rescue, and a worker's look at what it holds: by time, so
    where state = 'running';                                      -- that it can leave out what it has looked at before
create index job_suspect on job (worker_id, lane_id, state, queue, run_at)  -- claim: jobs that may kill their worker, see
    where rescues >= 2;                                                      -- pick_suspect
-- expire. One index for both times, because each one costs every enqueue; an attempt that counts was a start.
create index job_ends on job (least(case when attempt = 0 then expires_at end, deadline_at), id)
    where (expires_at is not null or deadline_at is not null) and state <> 'running';
create unique index job_unique on job (unique_key)                -- insert_job: no two live jobs with one key
    where unique_key is not null;

-- Keys of job.control, each one only where it applies; it stays with the job when that is over:
--   cancel       who asked that it ends while it ran: {"by", "note", "at", "force_at"}, see cancel
--   interrupted  how often in a row a worker that stopped had to give it back after it had started, see retire_worker
--   killed       how often in a row its process was killed while it alone may have been running, see bury_worker
--   retried      how often it has come back from the dead letters, see retry; retried_by: who did it last
--   counted      how many of its attempts were counted when it was a dead letter, see failed_attempts
--   waits_for    the signal that it waits for: {"signal", "until"}, see finish
--   signals      names of signals that have come for it, see signal

-- Waiting jobs that end at a time, whether they have started or not; read through job_ends.
create view ending_job as
select id, workflow_id, least(case when attempt = 0 then expires_at end, deadline_at) as ends_at
  from job
 where (expires_at is not null or deadline_at is not null) and state <> 'running';

-- What is known of a job when it is enqueued; its other columns have their defaults, and so have the last ones here if an insert
-- leaves them out. It begins with the fields of stored_options, in their order: "insert into new_job select stored.*, …" does not
-- list them; tests/sql/test_kept_columns.py compares them. insert_unique takes a row of this type: a migration that changes the
-- columns replaces both.
create view new_job as
select retry, result_ttl, meta, terms, expires_at, deadline_at,
       run_at, created_at, state, priority, max_attempts, queue, task, args, args_bytes,
       id, workflow_id, limits, lane_id, cost, unique_key, unique_mode
  from job;

-- What stays of a job that is over. History and dead letters end with these columns, in this order, behind their own: a job is
-- moved by "delete from job_kept … returning <their own columns>, k.*" and an insert of just that. So the list stands here only,
-- and in finish_at_once, which needs the token too; and the view costs nothing. A new column is the last one in all of them;
-- tests/sql/test_kept_columns.py compares the tables, test_finish_plain.py what is kept.
create view job_kept as
select id, run_at, created_at, claimed_at, worker_id, retry_of, workflow_id, priority, attempt, max_attempts, rescues,
       queue, task, args, retry, result_ttl, unique_key, unique_mode, meta, limits, cost, terms, control
  from job;

-- Keys of mode period: they outlive their jobs.
create table unique_hold (
    unique_key  bytea primary key,
    job_id      bigint not null,
    expires_at  timestamptz not null,
    held_at     timestamptz not null default clock_timestamp()
);
create index unique_hold_expires_at on unique_hold (expires_at);  -- prune

-- Finished for good and in order. Partitioned by day, so pruning drops tables and leaves nothing to vacuum.
create table job_history (
    result_expires_at timestamptz,              -- set later, by extend_result or delete_result; NULL = by result_ttl
    finished_at  timestamptz not null,
    state        job_state not null check (state in ('succeeded', 'cancelled')),
    reason       final_reason,
    elapsed      real,                          -- seconds in the handler
    errors       jsonb,
    -- as in job_kept
    id           bigint not null,
    run_at       timestamptz not null,
    created_at   timestamptz not null,
    claimed_at   timestamptz,
    worker_id    uuid,
    retry_of     bigint,
    workflow_id  bigint,
    priority     smallint not null,
    attempt      smallint not null,
    max_attempts smallint not null,
    rescues      smallint not null,
    queue        text not null,
    task         text not null,
    args         jsonb not null,
    retry        jsonb,
    result_ttl   interval,
    unique_key   bytea,
    unique_mode  unique_mode,
    meta         jsonb,
    limits       text[] collate "C",
    cost         int,
    terms        jsonb,
    control      jsonb
) partition by range (finished_at);
create index job_history_finished_at on job_history (finished_at);
create index job_history_id on job_history (id);
-- Catches rows when maintenance has not made a day's partition: finish can never fail for want of one.
create table job_history_default partition of job_history default;

-- Jobs that failed for good: kept until a person retries or purges them.
create table dead_letter (
    error_type   text,                          -- of the last error, see error_identity
    fingerprint  text,                          -- what failures of one kind have in common, 16 hexadecimal digits
    finished_at  timestamptz not null,
    state        job_state not null default 'failed' check (state = 'failed'),
    reason       final_reason not null,
    elapsed      real,
    errors       jsonb,
    -- as in job_kept
    id           bigint primary key,
    run_at       timestamptz not null,
    created_at   timestamptz not null,
    claimed_at   timestamptz,
    worker_id    uuid,
    retry_of     bigint,
    workflow_id  bigint,
    priority     smallint not null,
    attempt      smallint not null,
    max_attempts smallint not null,
    rescues      smallint not null,
    queue        text not null,
    task         text not null,
    args         jsonb not null,
    retry        jsonb,
    result_ttl   interval,
    unique_key   bytea,
    unique_mode  unique_mode,
    meta         jsonb,
    limits       text[] collate "C",
    cost         int,
    terms        jsonb,
    control      jsonb
);
create index dead_letter_finished_at on dead_letter (finished_at);
create index dead_letter_fingerprint on dead_letter (fingerprint, finished_at);
create index dead_letter_error_type on dead_letter (error_type, finished_at);
create index dead_letter_task on dead_letter (task);                -- task_stats counts
create index dead_letter_queue on dead_letter (queue, finished_at);  -- prune_dead

-- Running jobs that are to end by force at a time, see cancel (force_after) and end_forced. What has ended by itself stays here
-- until then.
create table forced_cancel (
    job_id      bigint not null constraint forced_cancel_pkey primary key,
    token       uuid not null,                  -- of the run that is meant
    at          timestamptz not null,
    asked_at    timestamptz not null default clock_timestamp()
);
create index forced_cancel_at on forced_cancel (at);              -- promote

create table job_result (
    job_id      bigint primary key,
    value       jsonb not null,
    expires_at  timestamptz not null
);
create index job_result_expires_at on job_result (expires_at);
