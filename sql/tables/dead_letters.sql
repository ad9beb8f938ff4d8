-- Who removed a dead letter, and why: a row a job; pruned with the history.
create table discard_log (
    discarded_at timestamptz not null,
    job_id       bigint not null,
    by           text not null,
    reason       text,
    queue        text not null,
    task         text not null,
    error_type   text,
    fingerprint  text
);
create index discard_log_discarded_at on discard_log (discarded_at);
create index discard_log_job_id on discard_log (job_id);  -- discard_of

-- Whether the number of dead letters is over a threshold, by the name of the callback that wants to know; no row before the first
-- time. See crossed_dead_letters.
create table dead_alert (
    name       text primary key,
    is_over    bool not null,
    changed_at timestamptz not null
);
