-- diagnose_vacuum: tables of ours that autovacuum leaves alone, and dead rows that nobody removes. Called by: doctor, workers.
-- Writes: nothing.
-- dead: fewer dead rows of a table are not worth a word; the threshold of the table itself is 5,000 at most
create function diagnose_vacuum(dead bigint default 200000) returns setof finding
language sql stable security definer set search_path from current set jit = off as $$
    with its as (
        select c.relname as shown, coalesce(s.n_dead_tup, 0) as dead_rows, coalesce(s.n_live_tup, 0) as live_rows,
               greatest(s.last_vacuum, s.last_autovacuum) as vacuumed_at,
               exists (select from pg_options_to_table(c.reloptions)
                        where option_name = 'autovacuum_enabled' and option_value::bool is false) as is_off
          from pg_class c left join pg_stat_user_tables s on s.relid = c.oid
         where c.relnamespace = quote_ident(current_schema())::regnamespace and c.relkind = 'r'
           and (c.relname ~ '^job_history_[0-9]{8}$'
                or exists (select from installed_object where kind = 'table' and name = c.relname))
    )
    select 'table-without-autovacuum', 'error', shown,
           format('autovacuum is off for the table %s: %s dead rows', shown, dead_rows),
           jsonb_build_object('table', shown, 'dead_rows', dead_rows, 'live_rows', live_rows),
           'each job leaves dead rows behind, and claims become slower with each of them',
           format('alter table %I.%I reset (autovacuum_enabled) -- then, as the owner: pgqueue maintain --vacuum',
                  current_schema(), shown)
      from its where is_off
    union all
    select 'dead-rows', 'warning', shown, format('the table %s has %s dead rows and %s live ones', shown, dead_rows, live_rows),
           jsonb_build_object('table', shown, 'dead_rows', dead_rows, 'live_rows', live_rows, 'vacuumed_at', vacuumed_at),
           'what reads it walks over them',
           format('vacuum (analyze) %I.%I -- or: pgqueue maintain --vacuum', current_schema(), shown)
      from its
     where dead_rows > greatest(dead, live_rows) and (vacuumed_at < clock_timestamp() - interval '1 minute') is not false
$$;
