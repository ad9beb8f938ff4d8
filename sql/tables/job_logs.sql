-- What handlers have said: the last lines of each job, at most setting.log_lines and log_bytes. Empty in an install whose
-- handlers say nothing. No foreign key: a job moves from table to table, and its lines stay; prune_logs deletes them after it.
create table job_log (
    job_id       bigint not null,
    seq          bigint not null check (seq > 0),  -- counts from 1 in each job; a gap stands for lines that were left out
    bytes_before bigint not null,                  -- of all lines of the job before this one, those that are gone included
    run_seq      bigint not null,                  -- counts from 1 in each run: a repeated call adds no line twice
    at           timestamptz not null,
    run          uuid not null,                    -- the claim token of the run that said it
    attempt      smallint not null,
    level        text not null check (level in ('debug', 'info', 'warning', 'error', 'critical')),
    message      text not null,
    fields       jsonb check (jsonb_typeof(fields) = 'object'),
    primary key (job_id, seq)                      -- add_log, watch, prune_logs
) with (
    -- A job that says much replaces its lines all the time.
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0,
    autovacuum_vacuum_insert_threshold = -1
);
