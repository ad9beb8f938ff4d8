-- server_samples: the samples of the database and of the install. Called by: samples. Writes: nothing.
create function server_samples() returns table (metric text, labels text[], value float8)
language sql stable set jit = off as $$
    with pin as materialized (
        select since, held from pins()
    )
    select 'pgqueue_info', array[installed_version(), current_schema()::text], 1::float8
    union all
    select 'pgqueue_rolled_up_timestamp_seconds', array[]::text[], extract(epoch from minute_at)::float8
      from roll_up_state where minute_at > '-infinity'
    union all
    select 'pgqueue_database_oldest_snapshot_seconds', array[]::text[],
           coalesce(max(greatest(extract(epoch from clock_timestamp() - since), 0)), 0)::float8 from pin
    union all
    select 'pgqueue_database_horizon_transactions', array[]::text[], coalesce(max(held), 0)::float8 from pin
    union all
    select 'pgqueue_database_dead_rows', array[relname::text], n_dead_tup::float8
      from pg_stat_user_tables
     where schemaname = current_schema() and relname in ('job', 'worker', 'dead_letter', 'turn', 'bucket', 'permit')
    union all
    select 'pgqueue_database_connections', array[]::text[], count(*)::float8
      from pg_stat_activity where datname = current_database()
    union all
    select 'pgqueue_database_connections_max', array[]::text[], current_setting('max_connections')::float8
$$;
