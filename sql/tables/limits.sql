-- Limits. A LANE is all jobs of one queue with the same limit keys: job.lane_id, a hash, so that enqueuing needs no row of it.
-- A job without limits has no lane and never meets what follows. Everything but limit_def can be derived from jobs again, and is
-- kept small whatever the number of jobs: see claim_lanes for the writers, and sweep_lanes for repairs.

-- What a key means. A row `tenant` applies to the keys tenant:1, tenant:2, … each for itself, unless the key has a row of its
-- own.
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
    declared      jsonb,                        -- the last declaration in code, see declare_limit …
    declared_as   jsonb,                        -- … and the values that it gave; with others, people have set it since
    changed_at    timestamptz not null default clock_timestamp(),
    constraint rate_has_a_period check ((rate is null) = (per is null) and rate > 0 and per > interval '0')
);

-- The tokens of one key, written by claims under it. No unique index on key, on purpose: under a long snapshot each update
-- would check all dead versions again. The index is newest-first: one step finds the live version, however many dead ones lie
-- behind. Made under a row of `lock`; a full bucket is the same as none, and deleted some time.
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
    whole_at timestamptz,                       -- … unless it skips dead entries, and maybe jobs of smaller priority, since then
    credit  int not null default 0              -- what is left of the lane's share
) with (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0
);
create index turn_line on turn (queue, due_at) where key is null;
create index turn_key on turn (queue, due_at) where lane_id is null;
create index turn_parked on turn (key, queue, due_at) where key is not null;
create index turn_lane on turn (lane_id) where lane_id is not null;
create index turn_lane_parked on turn (lane_id) where lane_id is not null and key is not null;  -- take_turn

-- Where the turns of a queue begin, while dead rows of them stand in front: under a long snapshot each turn leaves one. Only
-- inserted into, and found newest-first; good for a second.
create table line_start (
    queue     text not null,
    starts_at timestamptz not null,             -- of lanes in line
    keys_at   timestamptz not null,             -- of keys
    seen_at   timestamptz not null
);
create index line_start_queue on line_start (queue, seen_at desc);

-- "This claim may hold places of the key in this lane" (NULL: in the queue of the key). An index over running jobs and no
-- counter: the places in use are counted each time, so none can leak.
create table permit (
    key         text collate "C" not null,
    claimed_at  timestamptz not null,
    claim_token uuid not null,
    lane_id     uuid
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
create index permit_key on permit (key, claimed_at);

-- Keys that are shut until a time: a key alone, or a name with all of its keys. Only inserted into, so that the end of a job
-- never waits for a claimer. A time that is past says that a key has opened; no key at all, that a limit was changed: see
-- sweep_lanes.
create table parking (
    key       text collate "C" not null,
    until     timestamptz not null,
    parked_at timestamptz not null default clock_timestamp()
);
create index parking_key on parking (key, until desc);
