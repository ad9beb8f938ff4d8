-- Live work is small and hot (job); what is over is append-only (job_history) or waits for a person (dead_letter).
-- Invariants stand here as CHECK constraints, so that no function can break them unseen. They run at every claim, so
-- each must be cheap: a regular expression here cost 3 µs a job; enqueue checks names instead.

-- One row for the whole install: what an operator may want to change without touching code.
create table setting (
    singleton      boolean primary key default true check (singleton),
    history_days   int not null default 7 check (history_days >= 1),  -- finished jobs are kept this many whole days
    -- Of a job's arguments as JSON text; arguments of 2000 bytes inside PostgreSQL are not measured, hence the least.
    max_args_bytes int not null default 1048576 check (max_args_bytes >= 16384),
    max_workflow_nodes int not null default 100000 check (max_workflow_nodes >= 1),
    created_at     timestamptz not null default clock_timestamp()
);
insert into setting default values;

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
    whole_at   timestamptz not null default '-infinity',  -- the last time that everything was done, and not only what was left over
    next_at    timestamptz not null default '-infinity',
    warned_at  timestamptz not null default '-infinity'
) with (fillfactor = 50);
insert into upkeep default values;

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
    progress      jsonb,                        -- as the handler told it last; the next run keeps it until it tells its own
    limits        text[] collate "C",           -- the keys of its limits, sorted; NULL = none
    cost          int check (cost >= 1),        -- tokens that a start takes of each of its limits; NULL = 1
    holds_place   bool,                         -- its claim has taken a place of a limit with max_running
    constraint running_is_owned check (
        (state = 'running') = (claim_token is not null)
        and (state = 'running') = (worker_id is not null)
        and (state = 'running') = (claimed_at is not null)),
    constraint only_live_states check (state in ('blocked', 'scheduled', 'ready', 'running'))
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
create index job_scheduled on job (run_at, id)                    -- promote
    where state = 'scheduled';
create index job_put_off on job (put_off_at)                      -- follow_clock
    where state = 'scheduled' and put_off_at is not null;
create index job_running on job (worker_id, id)                   -- rescue, and a worker's look at what it holds
    where state = 'running';
create index job_suspect on job (run_at)                          -- claim: jobs that may kill their worker, one at a time
    where rescues >= 2;
create unique index job_unique on job (unique_key)                -- insert_job: no two live jobs with one key
    where unique_key is not null;

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
    id           bigint not null,
    run_at       timestamptz not null,
    created_at   timestamptz not null,
    claimed_at   timestamptz,
    finished_at  timestamptz not null,
    worker_id    uuid,
    retry_of     bigint,
    workflow_id  bigint,
    state        job_state not null check (state in ('succeeded', 'cancelled')),
    reason       final_reason,
    elapsed      real,                          -- seconds in the handler
    priority     smallint not null,
    attempt      smallint not null,
    max_attempts smallint not null,
    rescues      smallint not null,
    queue        text not null,
    task         text not null,
    args         jsonb not null,
    retry        jsonb,
    result_ttl   interval,
    result_expires_at timestamptz,              -- said later, by extend_result or delete_result; NULL = by result_ttl
    unique_key   bytea,
    unique_mode  unique_mode,
    meta         jsonb,
    errors       jsonb,
    limits       text[] collate "C",
    cost         int
) partition by range (finished_at);
create index job_history_finished_at on job_history (finished_at);
create index job_history_id on job_history (id);
-- Catches rows when maintenance has not made a day's partition: finish can never fail for want of one.
create table job_history_default partition of job_history default;

-- Jobs that failed for good: kept until a person retries or purges them.
create table dead_letter (
    id           bigint primary key,
    run_at       timestamptz not null,
    created_at   timestamptz not null,
    claimed_at   timestamptz,
    finished_at  timestamptz not null,
    worker_id    uuid,
    retry_of     bigint,
    workflow_id  bigint,
    state        job_state not null default 'failed' check (state = 'failed'),
    reason       final_reason not null,
    elapsed      real,
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
    errors       jsonb,
    limits       text[] collate "C",
    cost         int
);
create index dead_letter_finished_at on dead_letter (finished_at);

create table job_result (
    job_id      bigint primary key,
    value       jsonb not null,
    expires_at  timestamptz not null
);
create index job_result_expires_at on job_result (expires_at);

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
    started_at    timestamptz not null,
    heartbeat_at  timestamptz not null
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

-- Workflows: cold tables beside the hot one. A node has no key to job, because job rows leave. Plain jobs never touch these.
-- All movement inside a workflow happens under its row lock; see settle for the order of locks.
create table workflow (
    id           bigint generated always as identity primary key,
    name         text check (length(name) between 1 and 200),
    on_success   jsonb,                         -- options of enqueue: a job that is added each time the workflow ends so
    on_failure   jsonb,
    nodes        int not null default 0,
    open         int not null default 0,        -- nodes that have not ended
    outcome      node_state,
    repairs      int not null default 0,        -- times repair_workflows found something to mend
    created_at   timestamptz not null default clock_timestamp(),
    cancelled_at timestamptz,                   -- cancel_workflow was called: running nodes are asked to stop
    finished_at  timestamptz,
    stopping     bigint[] not null default '{}',  -- jobs that ran when it was cancelled, and then retried: they are asked to stop all the same
    constraint open_is_counted check (open between 0 and nodes),
    constraint finished_when_none_is_open check (
        (finished_at is not null) = (open = 0 and nodes > 0) and (finished_at is null) = (outcome is null))
) with (fillfactor = 50);
create index workflow_open on workflow (id) where finished_at is null;              -- repair_workflows
create index workflow_finished_at on workflow (finished_at);                        -- prune

create table workflow_node (
    job_id          bigint not null,
    workflow_id     bigint not null references workflow on delete cascade,
    state           node_state not null,
    pending_parents int not null,               -- parents that have not ended; 0 unless blocked
    ended_at        timestamptz,
    name            text check (length(name) between 1 and 200),
    task            text not null,
    takes           text,                       -- the argument that gets the result of the parent
    takes_all       bool not null default false,  -- it gets the list of all parents' results
    returned        bool not null default false,  -- it ended with a result other than null: when that is not stored, it has expired
    payload         jsonb,                      -- the job of a skipped node: retry brings it back
    -- The key that edges refer to, and all nodes of a workflow.
    unique (workflow_id, job_id),
    -- A release that is lost, or an end that comes twice, is an error here and not a job that waits for ever.
    constraint blocked_waits check (pending_parents >= 0 and (state = 'blocked') = (pending_parents > 0)),
    constraint ended_has_a_time check ((state in ('blocked', 'live')) = (ended_at is null))
) with (fillfactor = 50);
-- Made after the other one: of two indexes that seem to cost the same, as all do on an empty table, a plan takes the one that was made
-- later, and keeps it. Each index must therefore be good for every question that it can answer: with an index on workflow_id alone,
-- the check of each new edge read the whole workflow until autoanalyze came by.
alter table workflow_node add primary key (job_id);
create unique index workflow_node_name on workflow_node (workflow_id, name) where name is not null;

-- The composite keys refuse an edge between two workflows.
create table workflow_edge (
    workflow_id bigint not null,
    parent_id   bigint not null,
    child_id    bigint not null,
    run_if      text not null check (run_if in ('succeeded', 'finished', 'failed')),  -- how the parent must end
    position    int not null,                   -- among the child's parents: the order of their results
    primary key (parent_id, child_id),
    constraint not_itself check (parent_id <> child_id),
    foreign key (workflow_id, parent_id) references workflow_node (workflow_id, job_id) on delete cascade,
    foreign key (workflow_id, child_id) references workflow_node (workflow_id, job_id) on delete cascade
);
create index workflow_edge_child on workflow_edge (child_id);

-- Limits. A LANE is all jobs of one queue with the same limit keys: job.lane_id, a hash, so that who enqueues needs no row of it.
-- A job without limits has no lane and never meets what follows. Everything but limit_def can be derived from jobs again, and is
-- kept small whatever the number of jobs: see claim_lanes for who writes what, and sweep_lanes for what repairs it.

-- What a key means. A row `tenant` applies to the keys tenant:1, tenant:2, … each for itself, unless the key has a row of its own.
create table limit_def (
    name          text collate "C" primary key,
    rate          float8,                       -- tokens per `per`; NULL = no rate limit
    per           interval,
    per_second    float8 generated always as (rate / extract(epoch from per)::float8) stored,
    burst         float8 not null default 1 check (burst >= 1),  -- tokens it may save up
    count_cost    bool not null default true,   -- a start takes the cost of its job; false = one token
    max_running   int check (max_running >= 1), -- NULL = no concurrency limit
    weight        int not null default 1 check (weight between 1 and 1000),  -- a key's share when lanes take turns
    retry_blocks  bool not null default false,  -- what waits for its retry holds up its key
    enabled       bool not null default true,   -- false: as if it had neither rate nor max_running
    declared      jsonb,                        -- what code said last, see declare_limit
    changed_at    timestamptz not null default clock_timestamp(),
    constraint rate_has_a_period check ((rate is null) = (per is null) and rate > 0 and per > interval '0')
);

-- The tokens of one key, written by whoever claims under it. No unique index on key, on purpose: under a long snapshot each update
-- would check all dead versions again. The index is newest-first: one step finds the live version, however many dead ones lie behind.
-- Made under an advisory lock; a full bucket is the same as none, and deleted some time.
create table bucket (
    key          text collate "C" not null,
    tokens       float8,                        -- at refilled_at; below 0 after a job that cost more than the burst. NULL = full
    refilled_at  timestamptz not null,
    used_since   timestamptz,                   -- the current period of the rate …
    used         float8 not null default 0,     -- … and the tokens taken in it
    oldest_claim timestamptz not null default '-infinity',  -- no permit in use is older: bounds the look at permits
    saving       saving                         -- what it keeps for one lane
) with (
    fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0
);
create index bucket_key on bucket (key, refilled_at desc);
create index bucket_saving on bucket (key) where (saving).lane is not null;  -- sweep_keys

-- The whole scheduler: "look at this at due_at". An idle lane has no row.
--   lane_id, key NULL   the lane stands in line; due_at is its place
--   lane_id and key     the lane is parked behind that key, and not looked at
--   lane_id NULL        the key may have opened: let lanes of this queue back into the line
create table turn (
    id      bigint generated always as identity primary key,
    queue   text not null,
    due_at  timestamptz not null,
    lane_id uuid,
    keys    text[] collate "C",                 -- of the lane
    key     text collate "C",
    lo      timestamptz not null default '-infinity',  -- no ready job of the lane is older, as far as this turn knows …
    whole_at timestamptz,                       -- … unless it skips dead entries, and maybe jobs of a smaller priority, since then
    credit  int not null default 0              -- what is left of the lane's share
) with (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0
);
create index turn_line on turn (queue, due_at) where key is null;
create index turn_key on turn (queue, due_at) where lane_id is null;
create index turn_parked on turn (key, queue, due_at) where key is not null;
create index turn_lane on turn (lane_id) where lane_id is not null;
create index turn_lane_parked on turn (lane_id) where lane_id is not null and key is not null;  -- take_turn

-- Where the turns of a queue begin, while dead rows of them stand in front: under a long snapshot each turn leaves one. Only inserted
-- into, and found newest-first; good for a second.
create table line_start (
    queue     text not null,
    starts_at timestamptz not null,             -- of lanes in line
    keys_at   timestamptz not null,             -- of keys
    seen_at   timestamptz not null
);
create index line_start_queue on line_start (queue, seen_at desc);

-- "This claim may hold places of the key in this lane" (NULL: in the queue of the key). An index over running jobs and no counter: the
-- places in use are counted each time, so none can leak.
create table permit (
    key         text collate "C" not null,
    claimed_at  timestamptz not null,
    claim_token uuid not null,
    lane_id     uuid
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
create index permit_key on permit (key, claimed_at);

-- Keys that are shut until a time: a key alone, or a name with all of its keys. Only inserted into, so that the end of a job never waits
-- for a claimer. A time that is past says that a key has opened; no key at all, that a limit was changed: see sweep_lanes.
create table parking (
    key       text collate "C" not null,
    until     timestamptz not null,
    parked_at timestamptz not null default clock_timestamp()
);
create index parking_key on parking (key, until desc);
