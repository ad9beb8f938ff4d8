-- diagnose_settings: settings with which jobs are lost, calls are cut off or dead rows stay.
-- Called by: doctor, workers. Writes: nothing.
-- reset_val is what the session began with: doctor itself sets a statement_timeout. The source says who has set it.
create function diagnose_settings() returns setof finding
language sql stable security definer set search_path from current set jit = off as $$
    select r.name, r.severity, s.name, r.problem, jsonb_build_object('setting', s.name, 'value', s.reset_val, 'source', s.source),
           r.consequence,
           case s.source
               when 'user' then format('alter role %I reset %s', session_user, s.name)
               when 'database' then format('alter database %I reset %s', current_database(), s.name)
               when 'database user' then format('alter role %I in database %I reset %s', session_user, current_database(), s.name)
               when 'client' then 'leave it out of the options of the database URL'
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
     where case s.name
               when 'statement_timeout' then s.reset_val::bigint between 1 and 7999
               when 'transaction_timeout' then s.reset_val::bigint > 0
               when 'idle_in_transaction_session_timeout' then s.reset_val::bigint > 0
               else s.reset_val = 'off'
           end
$$;
