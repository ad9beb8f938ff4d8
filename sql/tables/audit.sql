-- What people have done to the queue: a row for each change, written in its transaction. Only inserted into; prune removes what
-- is older than setting.audit_days, and nothing else can, see keep_audit. Enqueues and what workers do are not here.
create table audit_log (
    id          bigint generated always as identity primary key,
    at          timestamptz not null default clock_timestamp(),
    by          text not null,                  -- who, as the caller says; the role if it says nothing
    role        text not null,                  -- who, as the database knows it: the user of the session
    client      inet,                           -- its address, or what it says in pgqueue.client; NULL = a socket of the machine
    application text,                           -- the application_name of the session
    verb        text not null,                  -- the function that was called; finish for the end of an operation
    kind        text not null,                  -- job, queue, task, everything, limit, schedule, workflow, operation, key,
                                                -- worker, pool
    subject     text not null,                  -- its id or name
    reason      text,
    before      jsonb,                          -- what was changed, as it was …
    after       jsonb,                          -- … and as it is now, or what came of it
    filter      jsonb,                          -- of an operation
    jobs        int                             -- on how many jobs an operation has acted
);
create index audit_log_at on audit_log (at);                    -- prune, the view audit
create index audit_log_subject on audit_log (kind, subject);    -- what was done to one thing
