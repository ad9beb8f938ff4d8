-- diagnose_partitions: maintenance that does not keep up: partitions that are missing or stay, rows without one.
-- Called by: doctor, workers. Writes: nothing.
create function diagnose_partitions() returns setof finding
language sql stable security definer set search_path from current set jit = off as $$
    with its as (
        select u.*, jsonb_build_object('done_at', done_at, 'days_ahead', days_ahead, 'overdue', overdue) as figures,
               exists (select from worker w
                        where is_alive(w) and started_at < clock_timestamp() - interval '10 minutes') as has_worker
          from upkeep_status u
    )
    select 'maintenance-late', 'warning', 'maintenance',
           format('maintenance was done last at %s, and workers are there', coalesce(in_utc(done_at), 'no time')), figures,
           'finished jobs, results and keys stay for longer than they should, and days without a partition may come',
           format('select %I.maintain_if_due() -- and look at the logs of the workers: why their maintenance fails',
                  current_schema())
      from its where has_worker and (done_at > clock_timestamp() - interval '10 minutes') is not true
    union all
    select 'partitions-missing', case when days_ahead = 0 then 'error' else 'warning' end, 'job_history',
           format('job_history has partitions for %s of the next 7 days', days_ahead), figures,
           'finished jobs go to job_history_default, where pruning them is slow',
           format('select %I.maintain() -- after ending what reads the history without a pause', current_schema())
      from its where days_ahead < 2
    union all
    select 'partitions-overdue', 'warning', 'job_history',
           format('%s partitions of job_history are past retention', overdue), figures,
           'their rows are deleted one by one, and their space is not given back',
           format('select %I.maintain() -- after ending what reads the history without a pause', current_schema())
      from its where overdue > 0
    union all
    select 'default-partition', 'warning', 'job_history_default', 'job_history_default has rows: their days had no partition',
           figures, 'they are pruned a day late, and a partition for their days cannot be made', format(
               'delete from %I.job_history_default -- or wait: they are gone after %s days', current_schema(),
               (select history_days + 1 from setting))
      from its where exists (select from job_history_default)
$$;
