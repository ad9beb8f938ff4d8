-- The types that every other file uses. A state determines which function moves the job next; see README.md for the drawing.

-- In this order: those up to running are of live jobs, see only_live_states of job.
create type job_state as enum (
    'blocked',    -- waits for its parents, see settle
    'scheduled',  -- waits for its time; promote makes it ready
    'ready',      -- may be claimed now
    'running',    -- claimed by a worker under a token
    'succeeded',  -- final: in job_history
    'failed',     -- final: in dead_letter
    'cancelled'   -- final: in job_history
);

create type final_reason as enum (
    'error', 'timeout', 'user_requested', 'dependency_failed', 'worker_shutdown',
    'crashed', 'memory', 'expired', 'rate_limit_exceeded', 'system_error', 'other'
);

create type worker_state as enum (
    'active',  -- heartbeats; its jobs are its own
    'lost'     -- missed its lease; heartbeat and claim by this id are refused, its jobs are rescued
);

create type unique_mode as enum (
    'until_done',     -- the key is held until the job is over
    'until_started',  -- the key falls when a worker claims the job
    'replace',        -- as until_started; a duplicate gives a waiting job that is not blocked its arguments, time, priority, meta
    'period'          -- the key is held for a time, whatever becomes of the job: see unique_hold; the others do not see it
);

-- Ordered by weight: the greatest state of its nodes is the outcome of a workflow that has finished.
create type node_state as enum (
    'blocked',    -- waits for parents
    'live',       -- in the queue: scheduled, ready or running; retries, snoozes and rescues change nothing
    'skipped',    -- ended: an edge from a parent was not satisfied, so it never ran
    'succeeded',  -- ended
    'cancelled',  -- ended on request
    'failed'      -- ended: a dead letter
);

create type tick_outcome as enum (
    'fired',      -- a job was made for it: job_id
    'buffered',   -- waits for the job before it, see overlap buffer_one; then it is one of the others
    'coalesced',  -- missed: the job of a later tick stands for it
    'skipped',    -- no job was made; the reason says why: missed, overlap, paused, changed, deleted, duplicate
    'failed'      -- the enqueue was refused; the reason is its error
);

-- What a worker has computed for a schedule, see fire_schedules.
create type schedule_fire as (
    name      text,
    after_at  timestamptz,    -- as the worker has seen it …
    next_tick timestamptz,    -- … and this
    ticks     timestamptz[],  -- those that are due, the last ones
    older     int,            -- due ticks before those
    next      timestamptz,    -- the first tick after them; NULL = there is none
    error     text            -- why the next tick cannot be computed
);

-- What is to become of a due tick if nothing stands in its way, see plan_ticks.
create type tick_plan as (
    tick       timestamptz,
    fires      bool,          -- false: it was missed
    coalesces  bool,          -- it was missed, and the one that fires stands for it
    stands_for int,
    run_at     timestamptz    -- of its job; NULL = now
);

-- What became of a tick: a row of fire_schedules.
create type tick_fired as (name text, tick timestamptz, outcome tick_outcome, reason text, job_id bigint, stands_for int);

-- An edge between two nodes that is about to be added.
create type edge as (
    parent_id bigint, child_id bigint, run_if text, position int,
    parent_is_new bool, child_is_new bool  -- whether they are being added too
);

-- Options of an enqueue that are stored with the job as they were given; see new_job. A new one is the last.
create type stored_options as (
    retry jsonb, result_ttl interval, meta jsonb,
    terms       jsonb,        -- see terms_from
    expires_at  timestamptz,  -- until then it must have started …
    deadline_at timestamptz   -- … and until then it must be over; see with_ends
);

-- Which jobs are meant: a checked filter with SQL's own types, see filter_of. Fields that are not given are NULL or
-- empty.
create type job_filter as (
    ids bigint[], states job_state[], queues text[],
    tasks      text[],  -- in full …
    task_likes text[],  -- … or as patterns of LIKE
    reasons final_reason[], error_types text[], error_likes text[], fingerprints text[], args jsonb, meta jsonb, limit_key text,
    workflow_id bigint, schedule text, worker_id uuid, created_after timestamptz, created_before timestamptz,
    run_at_after timestamptz, run_at_before timestamptz, finished_after timestamptz, finished_before timestamptz
);

-- Where a page of list_jobs has stopped: what the order of its walk goes by.
create type job_cursor as (at timestamptz, id bigint, queue text, priority smallint, lane_id uuid);

-- A job as far as a list shows it, see list_jobs.
create type listed_job as (
    id bigint, state job_state, reason final_reason, queue text, task text, args jsonb, priority smallint, attempt smallint,
    max_attempts smallint, run_at timestamptz, created_at timestamptz, claimed_at timestamptz, finished_at timestamptz,
    elapsed real, worker_id uuid, retry_of bigint, workflow_id bigint, limits text[], meta jsonb, progress jsonb, control jsonb,
    unknown_since timestamptz, error_type text, error_message text,
    looked int,   -- of the last row of a page: how many jobs it has looked at …
    next   jsonb  -- … and where the next page begins; NULL = there is none
);

-- What an enqueue says of limits; see enqueue.
create type limiting as (limits text[], fair text, cost int, declared text[]);

-- Tokens that a bucket keeps for one lane, whose next job needs more than there are; see save_tokens.
create type saving as (
    lane     uuid,
    tokens   float8,       -- what its job needs
    ready_at timestamptz,  -- when all of its keys have what it needs: until then others may take what will have come again
    until    timestamptz   -- then it is over, whether the job has started or not
);

-- Buckets that one claim holds, one element each: their values at `at`, a time that was read after they were locked.
create type bucket_set as (
    at           timestamptz,
    keys         text[],
    rows         tid[],
    tokens       float8[],       -- refilled; infinity without a rate
    places       float8[],       -- not in use; infinity without max_running
    rates        float8[],       -- tokens a second; NULL = no rate
    bursts       float8[],
    count_cost   bool[],
    weights      int[],
    counted      bool[],         -- it has max_running
    oldest       timestamptz[],  -- claims that hold places of it
    opens_at     timestamptz[],  -- it is parked until then; NULL = it is not
    periods      interval[],
    savings      saving[],
    saved_for    uuid[],         -- the lanes of savings
    kept         float8[]        -- what others may not take of the tokens now
);

-- A lane, with all its turns in one; see turn.
create type lane_turn as (
    lane_id uuid, keys text[], ids bigint[], due_at timestamptz, key text, lo timestamptz, whole_at timestamptz, credit int
);

-- What a claim has taken of jobs with limits, an element each.
create type limited_jobs as (
    jobs     tid[],
    places   bool[],         -- whether it holds a place of a limit
    ats      timestamptz[],  -- its start, by which the limits are counted
    suspect  bool,           -- a suspect may be taken
    again_at timestamptz,    -- when to look again, if not only the turns tell
    shut     text[],         -- queues whose own limit lets nothing start: their turns say nothing
    paused   text[],         -- tasks of which nothing starts here; NULL = none
    bytes    bigint,         -- of their arguments, see claim_bytes; NULL = 0
    is_cut   bool,           -- it could be more jobs, if they were smaller
    left_out text[]          -- those of paused that are left to other workers; NULL = none
);

-- What an operation has made of one of its jobs: one of these, see do_job.
create type job_outcome as (
    job_id  bigint,
    did     text,  -- what became of the job
    skipped text,  -- why it was left as it is
    error   text,  -- what was not expected
    is_held bool   -- another transaction has locked it: it is tried again
);

-- What is wrong, as a function diagnose_… has found it; see the functions of doctor. No row: nothing is wrong.
create type finding as (
    name        text,   -- of the kind of finding: words with - between them; it stays the same from release to release
    severity    text,   -- note, warning or error
    subject     text,   -- what it is about: a table, a queue, a session; with the name it tells findings apart
    problem     text,   -- what is wrong, with its figures, in one sentence
    figures     jsonb,  -- the same figures for machines
    consequence text,   -- what happens if nothing is done
    remedy      text    -- what to do; if possible a statement or a command that can be pasted
);

-- A reason why a job is where it is, see explain.
create type cause as (
    cause   text,         -- one word for programs; it stays the same from release to release
    says    text,         -- the same for people, in one sentence
    until   timestamptz,  -- when it ends, or is thought to; NULL = nobody knows. Of a job that is over: until when it is kept
    details jsonb         -- its figures; times in UTC, ages and durations in seconds
);

-- A job that is over and of which no row stays, see note_unkept.
create type job_end as (
    ended_at timestamptz, queue text, task text, state job_state, priority smallint, attempt smallint, elapsed real,
    run_at timestamptz, created_at timestamptz, claimed_at timestamptz, control jsonb
);

-- A row of metric_minute, metric_hour or metric_day, see metric_rows; its columns are theirs.
create type metric_row as (
    at timestamptz, queue text, task text, succeeded bigint, cancelled bigint, failed bigint, failed_attempts bigint,
    seconds float8, wait_seconds float8,
    duration_buckets smallint[], duration_jobs int[], wait_buckets smallint[], wait_jobs int[]
);
