-- Keys of the REST API: pgq_<id>_<secret>. Only the digest of the secret is here: it is 32 random bytes, so nobody finds it by
-- trying. Rows stay when a key is revoked or has expired, so that the audit log can be read, and so that an install that has
-- had keys never answers without one.
create table api_key (
    id                 text primary key check (id ~ '^[a-z0-9]{12}$'),  -- public
    hash               bytea not null check (octet_length(hash) = 32),  -- SHA-256 of the secret
    name               text not null,           -- for people; two keys of one name replace each other
    role               text not null check (role in ('viewer', 'producer', 'worker', 'operator', 'admin')),
    queues             text[],                  -- the only queues that it is for; NULL = all
    may_read_arguments bool not null,           -- whether it sees arguments and results of jobs
    created_at         timestamptz not null default clock_timestamp(),
    created_by         text not null,
    expires_at         timestamptz,             -- NULL = never
    revoked_at         timestamptz,
    revoked_by         text,
    last_used_at       timestamptz              -- at most a minute before it was used last; NULL = never used
);
