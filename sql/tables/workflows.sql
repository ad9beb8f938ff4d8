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
    stopping     bigint[] not null default '{}',  -- jobs that ran when it was cancelled, before its retry: they are asked to stop
    callback_error text,                        -- why its callback was not enqueued when it finished last
    constraint open_is_counted check (open between 0 and nodes),
    constraint finished_when_none_is_open check (
        (finished_at is not null) = (open = 0 and nodes > 0) and (finished_at is null) = (outcome is null))
) with (fillfactor = 50);
create index workflow_open on workflow (id) where finished_at is null;              -- repair_workflows
create index workflow_finished_at on workflow (finished_at);                        -- prune
create index workflow_callback_error on workflow (id) where callback_error is not null;  -- diagnose_workflows

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
    has_parents     bool not null default false,  -- from the start: who has none gets none later, see wait_longer
    returned        bool not null default false,  -- it ended with a result other than null: if none is stored, it has expired
    payload         jsonb,                      -- the job of a skipped node: retry brings it back
    made_by         text,                       -- see maker
    -- The key that edges refer to, and all nodes of a workflow.
    unique (workflow_id, job_id),
    -- A release that is lost, or an end that comes twice, is an error here and not a job that waits forever.
    constraint blocked_waits check (pending_parents >= 0 and (state = 'blocked') = (pending_parents > 0)),
    constraint ended_has_a_time check ((state in ('blocked', 'live')) = (ended_at is null))
) with (fillfactor = 50);
-- Made after the other one: of two indexes that seem to cost the same, as all do on an empty table, a plan takes the one that was
-- made later, and keeps it. Each index must therefore be good for every question that it can answer: with an index on workflow_id
-- alone, the check of each new edge read the whole workflow until autoanalyze came by.
alter table workflow_node add primary key (job_id);
create unique index workflow_node_name on workflow_node (workflow_id, name) where name is not null;

-- The composite keys refuse an edge between two workflows.
create table workflow_edge (
    workflow_id bigint not null,
    parent_id   bigint not null,
    child_id    bigint not null,
    run_if      text not null check (run_if in ('succeeded', 'finished', 'failed')),  -- how the parent must end
    position    int not null,                   -- among the child's parents: the order of their results
    withheld    bool not null default false,    -- the child does not get the result of the parent, see is_withheld
    primary key (parent_id, child_id),
    constraint not_itself check (parent_id <> child_id),
    foreign key (workflow_id, parent_id) references workflow_node (workflow_id, job_id) on delete cascade,
    foreign key (workflow_id, child_id) references workflow_node (workflow_id, job_id) on delete cascade
);
create index workflow_edge_child on workflow_edge (child_id);
