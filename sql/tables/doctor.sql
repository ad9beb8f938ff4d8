-- What doctor compares and remembers: the schema as it was made, and what workers have found.

-- Each object of the schema as the migration has made it, see note_objects. Where one is missing or has been changed since,
-- diagnose_schema says so, and definition is the statement that makes it again.
create table installed_object (
    kind       text not null,                   -- table, column, type, index, constraint, function, view or trigger
    name       text not null,                   -- of a part of a table: the table, a point and its own name
    definition text not null,
    primary key (kind, name)
);

-- When a worker examined the install last, see diagnosis_due: one row.
create table diagnosis (
    singleton boolean primary key default true check (singleton),
    next_at   timestamptz not null default '-infinity'
) with (fillfactor = 50);
insert into diagnosis default values;

-- What a worker found when it examined the install last, see note_findings.
create table finding_log (
    name     text not null,
    subject  text not null,
    source   text not null,                     -- the check that has found it
    found    finding not null,
    found_at timestamptz not null,              -- when it was found first …
    seen_at  timestamptz not null,              -- … and last
    primary key (name, subject)
);

-- Workers whose clock is not that of the database; the others have no row. See diagnosis_due.
create table worker_clock (
    worker_id uuid primary key,
    ahead     float8 not null,                  -- seconds; less than 0: it is behind
    noted_at  timestamptz not null
);
