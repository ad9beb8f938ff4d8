-- What a long job remembers from one run to the next. Cold tables beside the hot one, without keys to it, because job rows leave:
-- prune_steps deletes what belongs to jobs that are kept nowhere any more. Jobs without steps and signals never touch these.

-- A piece of a job's work that is done: the next run takes its value and does not do it again.
create table job_step (
    job_id      bigint not null,
    name        text not null check (length(name) between 1 and 200),
    value       jsonb,                          -- what it returned; NULL = nothing
    started_at  timestamptz not null,
    ended_at    timestamptz not null,
    attempt     smallint not null,              -- of the run that did it
    primary key (job_id, name)
);

-- Something that a job is told from outside, or waits for. Whoever writes here holds the row of the job. The first end wins: a
-- signal that has come stays as it is, and one that was waited for too long does not come any more.
create table job_signal (
    job_id      bigint not null,
    name        text not null check (length(name) between 1 and 200),
    payload     jsonb,
    waited_at   timestamptz,                    -- since when the job waits for it; NULL = it never did
    until       timestamptz,                    -- until when; NULL = without limit
    ended_at    timestamptz,                    -- when it came, or the job was told that it does not come
    timed_out   bool not null default false,    -- it has not come
    primary key (job_id, name)
);
