-- diagnose_settings: settings with which jobs are lost, calls are cut off or dead rows stay.
-- Called by: doctor, workers. Writes: nothing.
-- reset_val is what the session began with: doctor itself sets a statement_timeout, of which pg_settings then says that the
-- session has set it. So who has set it for the role or the database is looked up.
create function diagnose_settings() returns setof finding
language sql stable security definer set search_path from current set jit = off as $$
    select r.name, r.severity, s.name, r.problem, jsonb_build_object('setting', s.name, 'value', s.reset_val, 'source', o.source),
           r.consequence,
           case o.source
               when 'user' then format('alter role %I reset %s', session_user, s.name)
               when 'database' then format('alter database %I reset %s', current_database(), s.name)
               when 'database user' then format('alter role %I in database %I reset %s', session_user, current_database(), s.name)
               when 'global' then format('alter role all reset %s', s.name)
               when 'client' then 'leave it out of the options of the database URL'
               when 'session' then format('leave it out of the options of the database URL; if it is not there: '
                                          'alter system set %s = %L; select pg_reload_conf()', s.name, r.good)
               else format('alter system set %s = %L; select pg_reload_conf()', s.name, r.good)
           end
      from pg_settings s join (values
           ('autovacuum', 'autovacuum-off', 'error', 'on', 'autovacuum is off on the whole server',
            'each job leaves dead rows behind, and claims become slower with each of them'),
           ('track_counts', 'track-counts-off', 'error', 'on', 'track_counts is off, so autovacuum does not know of dead rows',
            'each job leaves dead rows behind, and claims become slower with each of them'),
           ('fsync', 'fsync-off', 'warning', 'on', 'fsync is off',
            'if the machine crashes, acknowledged jobs are lost and the database may be damaged'),
           ('synchronous_commit', 'synchronous-commit-off', 'note', 'on', 'synchronous_commit is off',
            'if the server crashes, jobs acknowledged in its last moments are lost, and jobs that ended then run again'),
           ('statement_timeout', 'statement-timeout', 'warning', '0', format('statement_timeout is %s ms',
                (select reset_val from pg_settings where name = 'statement_timeout')),
            'calls that may take up to 8 s, such as those of maintenance, are cut off again and again'),
           ('transaction_timeout', 'transaction-timeout', 'note', '0', 'transaction_timeout is set',
            'a handler whose ctx.transaction() takes longer loses its connection, and its job is tried again'),
           ('idle_in_transaction_session_timeout', 'idle-timeout', 'note', '0', 'idle_in_transaction_session_timeout is set',
            'a handler that waits longer inside of ctx.transaction() loses its connection, and its job is tried again')
           ) as r(setting, name, severity, good, problem, consequence) on r.setting = s.name
     cross join lateral (
           select (select case when d.setrole > 0 and d.setdatabase > 0 then 'database user' when d.setrole > 0 then 'user'
                               when d.setdatabase > 0 then 'database' else 'global' end
                     from pg_db_role_setting d
                    where d.setrole in (0, (select oid from pg_roles where rolname = session_user))
                      and d.setdatabase in (0, (select oid from pg_database where datname = current_database()))
                      and exists (select from unnest(d.setconfig) as c where starts_with(c, s.name || '='))
                    order by d.setrole > 0 desc, d.setdatabase > 0 desc limit 1) as stored) k
     cross join lateral (select case when s.source = 'session' then coalesce(k.stored, s.source) else s.source end) o(source)
     where case s.name
               when 'statement_timeout' then s.reset_val::bigint between 1 and 7999
               when 'transaction_timeout' then s.reset_val::bigint > 0
               when 'idle_in_transaction_session_timeout' then s.reset_val::bigint > 0
               else s.reset_val = 'off'
           end
$$;
