-- connection_bounds: what bounds the connections of this session's role to this database, each with how many may be open and how
-- many are. Called by: diagnose_connections, connections_left. Writes: nothing.
create function connection_bounds() returns table (subject text, most int, used bigint)
language sql stable as $$
    select 'max_connections',
           current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
           - coalesce(current_setting('reserved_connections', true)::int, 0),
           (select count(*) from pg_stat_activity
             where case when backend_type is null then datid is not null and usename is not null
                        else backend_type = 'client backend' end)
    union all
    select 'database ' || datname, datconnlimit, (select count(*) from pg_stat_activity where datname = current_database())
      from pg_database where datname = current_database() and datconnlimit <> -1
    union all
    select 'role ' || rolname, rolconnlimit, (select count(*) from pg_stat_activity where usename = session_user)
      from pg_roles where rolname = session_user and rolconnlimit <> -1
$$;

-- connections_left: how many more connections this session's role could open to this database. Called by: scaling_figures.
-- Writes: nothing.
create function connections_left() returns int
language sql stable as $$ select greatest(min(most - used), 0)::int from connection_bounds() $$;

-- replication_lag: seconds by which the last of the replicas is behind; NULL when there is none. One that has stopped replaying
-- reports the lag of what it has replayed last, so the time since its last report counts while it has not all.
-- Infinity: the owner of the install may not read it, and needs pg_read_all_stats. Called by: scaling_figures. Writes: nothing.
create function replication_lag() returns float8
language sql stable as $$
    select max(case when pid is not null and state is null then 'infinity'::float8
                    else extract(epoch from greatest(
                             replay_lag, case when replay_lsn < sent_lsn then clock_timestamp() - reply_time end,
                             interval '0'))::float8 end)
      from pg_stat_replication
$$;
