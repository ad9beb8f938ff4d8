-- pins: who holds a snapshot or a transaction id that keeps dead rows of this database from being removed. Called by:
-- diagnose_horizon. Writes: nothing. Snapshots in other databases do not matter to our tables; what vacuum itself holds does not
-- count either.
-- since: NULL = not known. held: how many transaction ids have been assigned since.
create function pins() returns table (cause text, shown text, since timestamptz, held bigint, remedy text)
language sql stable as $$
    select 'session', format('session %s of %s (%s, %s)', pid, usename, coalesce(nullif(application_name, ''), 'no name'), state),
           xact_start, greatest(age(backend_xmin), age(backend_xid))::bigint, format('select pg_terminate_backend(%s)', pid)
      from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid() and backend_type <> 'walsender'
       and (backend_xmin is not null or backend_xid is not null)
       and query !~* '^ *(autovacuum: )?vacuum'
    union all
    select 'prepared transaction', format('prepared transaction %L of %s', gid, owner), prepared, age(transaction)::bigint,
           format('rollback prepared %L', gid)
      from pg_prepared_xacts where database = current_database()
    union all
    select 'replication slot', format('replication slot %L, %s', slot_name, case when active then 'in use' else 'not in use' end),
           null, age(xmin)::bigint, format('select pg_drop_replication_slot(%L)', slot_name)
      from pg_replication_slots where xmin is not null
    union all
    select 'standby', format('standby %L at %s', application_name, coalesce(client_addr::text, 'this machine')), null,
           age(backend_xmin)::bigint,
           'alter system set hot_standby_feedback = off; select pg_reload_conf() -- on the standby; or end its long queries there'
      from pg_stat_replication where backend_xmin is not null
$$;
