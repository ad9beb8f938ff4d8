-- diagnose_horizon: what keeps vacuum from removing dead rows: of each cause the oldest, with the statement that ends it.
-- Called by: doctor, workers. Writes: nothing.
-- older: what has held a snapshot for less long is not worth a word
-- xids:  the same in transactions, for what does not say since when: slots and standbys
create function diagnose_horizon(older interval default '1 minute', xids int default 1000000) returns setof finding
language sql stable security definer set search_path from current set jit = off as $$
    with oldest as (
        select *, count(*) over (partition by cause) - 1 as others,
               row_number() over (partition by cause order by since, held desc) as place,
               extract(epoch from clock_timestamp() - since)::bigint as seconds
          from pins()
         where clock_timestamp() - since >= older or since is null and held >= xids
    )
    select 'pinned-horizon',
           case when since < clock_timestamp() - interval '1 hour' or since is null and held > 10 * xids::bigint then 'error'
                else 'warning' end,
           cause,
           format('%s has held a snapshot %s%s', shown,
                  case when since is null then format('for %s transactions', held) else format('for %s s', seconds) end,
                  case when others > 0 then format(', and %s more of its kind do', others) else '' end),
           jsonb_build_object('cause', cause, 'seconds', seconds, 'transactions', held, 'others', others),
           'no row that died since then is removed, and claims become slower with each of them', remedy
      from oldest where place = 1
    union all
    select 'sessions-hidden', 'note', current_user, format('%s does not see what sessions of other roles do', current_user),
           '{}', 'a long transaction of another role is not found here',
           format('grant pg_read_all_stats to %I', current_user)
     where not pg_has_role(current_user, 'pg_read_all_stats', 'usage')
       and exists (select from pg_stat_activity where datname = current_database() and usename <> current_user)
$$;
