-- Queues need no rows: a queue is a text of its jobs. What stands here is out of the ordinary, and is looked at only where there
-- is something: "exists (select from queue q where q.name > '')" is one look at an index, which is empty in most installs. It
-- costs 2 µs; pg_relation_size costs more.

-- What is not to start for now. Claims read it themselves, so every client obeys. A pause whose time is over is none.
create table pause (
    kind      text not null check (kind in ('queue', 'task', 'everything')),
    name      text not null,                    -- of the queue or the task; '' of everything
    paused_at timestamptz not null default clock_timestamp(),
    until     timestamptz,                      -- NULL = until somebody resumes it
    by        text not null,
    reason    text,
    primary key (kind, name)
);

-- Settings of a queue; one without any has no row. See set_queue.
create table queue (
    name             text primary key,
    max_ready        int check (max_ready >= 1),       -- more than these do not wait; NULL = any number
    on_full          text not null default 'refuse' check (on_full in ('refuse', 'drop_oldest')),
    starvation_after interval check (starvation_after > interval '0'),  -- jobs that wait longer overtake; NULL = none does
    starvation_share float8 not null default 0.25 check (starvation_share > 0 and starvation_share <= 1),  -- of a claim
    keep_succeeded   bool not null default true,       -- whether plain jobs that have succeeded go to the history …
    keep_cancelled   bool not null default true,       -- … and those that were cancelled
    dead_days        int check (dead_days >= 1),       -- so long dead letters are kept; NULL = until they are removed
    changed_at       timestamptz not null default clock_timestamp()
);

-- How many jobs of a queue with max_ready are ready, as sweep_queues has counted last. Only inserted into and found newest-first,
-- so that under a long snapshot an enqueue does not walk the rows before.
create table queue_depth (
    queue      text not null,
    ready      int not null,
    dropped    bigint not null,                 -- how many drop_oldest has cancelled since max_ready was set
    counted_at timestamptz not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
create index queue_depth_queue on queue_depth (queue, counted_at desc);
