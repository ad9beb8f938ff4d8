-- diagnose_workers: no worker although jobs wait, and workers that are lost, poll, have a wrong clock or another version.
-- Called by: doctor, workers. Writes: nothing. Each question about jobs has the predicate of the index that answers it.
create function diagnose_workers() returns setof finding
language sql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
    with its as (
        select w.*, is_alive(w) as is_alive,
               format('%s (%s, pid %s)', name, host, pid) as shown
          from worker w
    )
    select 'no-worker', 'error', 'workers', 'no worker is alive, and jobs are ready or due', '{}'::jsonb, 'no job runs',
           'start one: pgqueue worker MODULE:APP'
     where not exists (select from its where is_alive and queues <> '{}')  -- an API that does upkeep runs no jobs
       and (exists (select from job where state = 'ready' and rescues < 2 and lane_id is null)
            or exists (select from job where state = 'ready' and lane_id is not null)
            or exists (select from job where state = 'ready' and rescues >= 2)
            or (select run_at from job where state = 'scheduled' order by run_at limit 1) < clock_timestamp()
            or exists (select from schedule where look_at < clock_timestamp() - interval '1 minute'))
    union all
    select 'worker-lost', 'warning', shown, format('the worker %s %s; last heartbeat: %s', shown,
               coalesce('is lost: ' || lost_because, 'has missed its lease'), in_utc(heartbeat_at)),
           jsonb_build_object('worker', id, 'heartbeat_at', heartbeat_at),
           'its jobs run elsewhere; if it comes back, it registers again', format(
               'delete from %I.worker where id = %L -- or wait: it is listed for a day; its log says why it ended',
               current_schema(), id)
      from (select * from its where not is_alive order by heartbeat_at desc limit 100) lost
    union all
    select 'worker-polls', 'warning', reason,
           format('workers without wake-ups: %s, such as %s: %s', count(*), min(shown), reason),
           jsonb_build_object('workers', count(*), 'wake_mode', reason), 'their jobs start up to a second later',
           'give their processes PGQUEUE_LISTEN_URL, a connection that does not pass a transaction pooler'
      from (select shown, left(wake_mode, 200) as reason from its where is_alive and wake_mode like 'polling%') polling
     group by reason
    union all
    select 'worker-version', 'warning', version,
           format('workers of version %s: %s, such as %s; the schema has %s', version, count(*), min(shown), installed_version()),
           jsonb_build_object('workers', count(*), 'version', version, 'installed', installed_version()),
           'they may call functions that are not there, or not as they know them', 'restart them with the version of the schema'
      from its
     where is_alive and version <> installed_version() and version not like 'http%'  -- those have the REST API's
     group by version
    union all
    select 'worker-clock', 'warning', shown, format('the clock of the worker %s is %s s %s that of the database', shown,
                                                    round(abs(ahead)), case when ahead > 0 then 'ahead of' else 'behind' end),
           jsonb_build_object('worker', id, 'ahead_seconds', round(ahead::numeric, 3)),
           'times in its log, and times that handlers compute, are off; the queue goes by the clock of the database',
           format('synchronise the clock of %s (NTP); within a minute this is gone', host)
      from its join worker_clock c on c.worker_id = its.id where is_alive
$$;
