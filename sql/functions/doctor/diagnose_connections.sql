-- diagnose_connections: whether the server, the database and the role have connections left for what runs and for what
-- the workers may open more. Called by: doctor, workers. Writes: nothing.
-- An owner who may not read all statistics sees of sessions of other roles only that they are there: those in this database are
-- taken for ours, else what workers of another role have opened would count twice.
-- Workers over HTTP open none.
-- each: connections that a busy worker process opens, without those of its handlers; an idle one holds two
-- room: the share of connections that may be in use
create function diagnose_connections(each int default 5, room float8 default 0.85) returns setof finding
language sql stable security definer set search_path from current set jit = off as $$
    with its as (
        select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
               - coalesce(current_setting('reserved_connections', true)::int, 0) as most,
               (select count(*) from pg_stat_activity
                 where case when backend_type is null then datid is not null and usename is not null
                            else backend_type = 'client backend' end) as used,
               (select nullif(datconnlimit, -1) from pg_database where datname = current_database()) as most_of_database,
               (select count(*) from pg_stat_activity where datname = current_database()) as used_of_database,
               (select nullif(rolconnlimit, -1) from pg_roles where rolname = session_user) as most_of_role,
               (select count(*) from pg_stat_activity where usename = session_user) as used_of_role,
               (select count(*) from pg_stat_activity
                 where datname = current_database()
                   and (application_name like 'pgqueue %' or backend_type is null)) as used_of_ours,
               (select count(*) from worker w where is_alive(w) and w.wake_mode <> 'http') as workers
    ), bound (subject, most, used) as (
        select 'max_connections', most, used from its
        union all
        select 'database ' || current_database(), most_of_database, used_of_database from its where most_of_database is not null
        union all
        select 'role ' || session_user, most_of_role, used_of_role from its where most_of_role is not null
    )
    select 'connections-scarce', case when b.used >= b.most then 'error' else 'warning' end, b.subject,
           format('%s of %s connections are in use, and %s workers may open %s more', b.used, b.most, i.workers, m.more),
           jsonb_build_object('most', b.most, 'used', b.used, 'workers', i.workers, 'may_open', m.more),
           'who comes last gets none: workers that start again, applications, and you',
           'fewer workers with a higher --concurrency, smaller pools, a pooler before the applications, or a higher limit'
      from its i cross join bound b
     cross join lateral (select greatest(each * i.workers - i.used_of_ours, 0) as more) m
     where b.used + m.more > room * b.most
$$;
