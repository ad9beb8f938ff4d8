-- Pools: how many workers are wanted, and who runs them. Empty in an install without pools.
-- No table here refers to workers, and none of the others to these.
create table pool (
    name            text primary key,
    app             text not null,                      -- module:attribute, which its workers import
    queues          text[] not null default '{}',       -- with weights as on the command line: mail=3; empty = all of the app
    concurrency     int not null default 100,           -- of each worker
    wanted          int not null,                       -- workers that shall run
    minimum         int not null default 1,             -- what the autoscaler keeps to; people may set wanted beyond it
    maximum         int not null default 50,
    paused          bool not null default false,        -- none shall run, whatever is wanted
    deleting        bool not null default false,        -- none shall run, and the row goes with its last slot
    generation      int not null default 1,             -- of its workers; roll_pool raises it
    max_unavailable int not null default 1,             -- slots that a roll replaces at a time
    autoscale       bool not null default false,
    rules           jsonb not null default '{}',        -- of the autoscaler, see scaling_rules: what is no default
    checked_at      timestamptz,                        -- when the autoscaler looked last
    scaled_up_at    timestamptz,                        -- when it, or a person, changed wanted last
    scaled_down_at  timestamptz,
    refused         text,                               -- why it does not do what the load asks for; NULL = it does
    low_since       timestamptz,                        -- since when the load is low, as it has seen …
    low_need        int,                                -- … and how many workers were needed at most since then
    created_at      timestamptz not null default clock_timestamp()
);

-- Processes that run workers of pools on a machine: one row per start.
create table agent (
    id            uuid primary key,
    pool          text not null references pool on delete cascade,
    name          text not null,
    host          text not null,
    pid           int not null,
    version       text not null,
    slots         int not null,                         -- workers that it can run
    occupied      int not null default 0,               -- places of those whose workers still end, without a slot
    lease         interval not null,
    draining      bool not null default false,          -- it takes no more slots
    started_at    timestamptz not null,
    heartbeat_at  timestamptz not null
);
create index agent_pool on agent (pool);

-- The places of a pool, one for each worker that is wanted; who holds one runs its worker. See agent_turn.
create table pool_slot (
    pool        text not null references pool on delete cascade,
    slot        int not null,
    agent_id    uuid references agent on delete set null,  -- NULL = free
    generation  int not null,                           -- with which its worker is to run; below that of the pool: to be rolled
    leaving     text check (leaving in ('drain', 'now')),  -- its worker is to end, once its jobs are done or within the grace
    taken_at    timestamptz,
    primary key (pool, slot)
);
create index pool_slot_agent on pool_slot (agent_id);

-- What was decided and what happened; pruned with the history. No foreign key: it outlives its pool.
create table pool_event (
    id       bigint generated always as identity primary key,
    at       timestamptz not null default clock_timestamp(),
    pool     text not null,
    kind     text not null,                             -- see note_pool
    by       text,                                      -- who: a person, or the agent
    before   int,                                       -- what was wanted
    after    int,
    reason   text,
    figures  jsonb                                      -- what the autoscaler saw
);
create index pool_event_pool on pool_event (pool, id);
create index pool_event_at on pool_event (at);

-- How many workers were wanted and running, and how much waited, about once a minute; pruned with the history.
create table pool_sample (
    pool     text not null,
    at       timestamptz not null,
    wanted   int not null,
    running  int not null,
    ready    bigint not null,
    primary key (pool, at)
);
