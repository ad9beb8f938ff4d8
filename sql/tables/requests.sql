-- Requests over HTTP that may come twice, because the answer to the first was lost: see enqueue_once. A row is written in the
-- transaction that adds the jobs of its request, so there is one exactly if there are these jobs. Pruned after a day.
create table idempotent_request (
    owner      text not null,                   -- whose key it is: the id of an API key; '' = without one
    key        text not null check (length(key) between 1 and 255),  -- the Idempotency-Key, chosen by the client
    digest     bytea not null,                  -- of the whole request: another one must not have the same key
    ids        bigint[] not null,               -- what it was answered: the jobs …
    duplicates bool[] not null,                 -- … and which of them were there before
    created_at timestamptz not null default clock_timestamp(),
    primary key (owner, key)
);
create index idempotent_request_created_at on idempotent_request (created_at);  -- prune_requests
