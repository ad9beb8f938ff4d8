-- How many live jobs there are, as workers have counted last: what views show of a large install, where counting takes a second.
-- In two parts, because what is ready or runs changes fast and indexes tell it, and what is scheduled or blocked may be much
-- more. Only inserted into and found newest-first, so that under a long snapshot nobody walks the rows before. Readers see one
-- sample of each part, because each deletes the one before in its own transaction.
create table depth (
    part               text not null,         -- of its sample …
    counted_at         timestamptz not null,  -- … and this
    jobs               bigint not null,
    oldest             timestamptz,           -- ready: since when the first in line waits; scheduled: when the next is due
    no_worker_for_task bigint not null,       -- how many wait because no worker knows their task
    state              job_state not null,
    priority           smallint not null,
    queue              text not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
create index depth_sample_of on depth (part, counted_at);

-- The samples themselves: there is one even if no job is live.
create table depth_sample (
    part        text not null check (part in ('active', 'waiting')),  -- ready and running; scheduled and blocked
    counted_at  timestamptz not null,         -- when counting began: the figures are not older
    took        interval not null,            -- how long it took, by which sweep_depths chooses the next time
    fresh_until timestamptz not null,         -- so long views show these figures; then they count themselves
    primary key (part, counted_at)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
