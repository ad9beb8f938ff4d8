-- diagnose_connections: whether the server, the database and the role have connections left for what runs and for what
-- the workers may open more. Called by: doctor, workers. Writes: nothing.
-- An owner who may not read all statistics sees of sessions of other roles only that they are there: those in this database are
-- taken for ours, else what workers of another role have opened would count twice.
-- Workers over HTTP open none.
-- each: connections that a busy worker process opens, without those of its handlers; an idle one holds two
-- room: the share of connections that may be in use
create function diagnose_connections(each int default 4, room float8 default 0.85) returns setof finding
language sql stable security definer set search_path from current set jit = off as $$
    with its as (
        select (select count(*) from pg_stat_activity
                 where datname = current_database()
                   and (application_name like 'pgqueue %' or backend_type is null)) as used_of_ours,
               (select count(*) from worker w where is_alive(w) and w.wake_mode <> 'http') as workers
    )
    select 'connections-scarce', case when b.used >= b.most then 'error' else 'warning' end, b.subject,
           format('%s of %s connections are in use, and %s workers may open %s more', b.used, b.most, i.workers, m.more),
           jsonb_build_object('most', b.most, 'used', b.used, 'workers', i.workers, 'may_open', m.more),
           'who comes last gets none: workers that start again, applications, and you',
           'fewer workers with a higher --concurrency, smaller pools, a pooler before the applications, or a higher limit'
      from its i cross join connection_bounds() b
     cross join lateral (select greatest(each * i.workers - i.used_of_ours, 0) as more) m
     where b.used + m.more > room * b.most
$$;
