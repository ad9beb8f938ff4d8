-- diagnose_notifications: how full the queue of NOTIFY is. Called by: doctor, workers. Writes: nothing.
-- most: the share up to which it is well
create function diagnose_notifications(most float8 default 0.25) returns setof finding
language sql stable security definer set search_path from current set jit = off as $$
    select 'notification-queue', case when used >= 0.75 then 'error' else 'warning' end, 'NOTIFY',
           format('the queue of NOTIFY is full to %s per cent', round((used * 100)::numeric, 1)),
           jsonb_build_object('used', round(used::numeric, 6)),
           'when it is full, every transaction that notifies fails: no enqueue, no claim',
           coalesce((
               select format('select pg_terminate_backend(%s) -- the oldest transaction, if it listens', pid)
                 from pg_stat_activity where datname is not null and state like 'idle in transaction%'
                order by xact_start limit 1),
               'end the sessions that LISTEN inside of a long transaction: see pg_stat_activity')
      from pg_notification_queue_usage() as u(used) where used > most
$$;
