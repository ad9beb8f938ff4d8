-- state_samples: the samples of workers, limits, pauses, schedules and operations. Called by: samples. Writes: nothing.
create function state_samples(most int) returns table (metric text, labels text[], value float8)
language sql stable set jit = off as $$
    with worker_of as materialized (
        select status, concurrency, running from worker_status where queues <> '{}'  -- an API that does upkeep runs no jobs
    ), limit_of as materialized (
        select * from limit_status
         where exists (select from limit_def) or exists (select from bucket) or exists (select from parking)
         order by key limit most
    )
    select 'pgqueue_workers', array[lower(s.status)], (select count(*) from worker_of w where w.status = s.status)::float8
      from (values ('ACTIVE'), ('IDLE'), ('PAUSED'), ('DRAINING'), ('DEAD')) as s(status)
    union all
    select 'pgqueue_worker_slots', array[]::text[], coalesce(sum(concurrency), 0)::float8 from worker_of where status <> 'DEAD'
    union all
    select 'pgqueue_worker_slots_used', array[]::text[], coalesce(sum(running), 0)::float8 from worker_of where status <> 'DEAD'
    union all
    select v.metric, array[key], v.value
      from limit_of cross join lateral (
           values ('pgqueue_limit_rate', rate), ('pgqueue_limit_used', used), ('pgqueue_limit_max_running', max_running::float8),
                  ('pgqueue_limit_running', running::float8), ('pgqueue_limit_waiting', waiting::float8),
                  ('pgqueue_limit_parked_seconds',
                   greatest(extract(epoch from parked_until - clock_timestamp()), 0)::float8)) as v(metric, value)
     where v.value is not null
    union all
    (select 'pgqueue_paused', array[kind, name], 1 from pauses order by kind, name limit most)
    union all
    select 'pgqueue_schedules', array[s.state], (select count(*) from schedule where (paused_at is null) = s.is_on)::float8
      from (values ('enabled', true), ('paused', false)) as s(state, is_on)
    union all
    (select 'pgqueue_schedule_missed_ticks', array[s.name], coalesce(m.missed, 0)::float8
       from schedule s
       left join lateral (
            select sum(stands_for) as missed from schedule_tick t
             where t.schedule = s.name and (t.outcome = 'coalesced' or t.reason = 'missed')
               and t.fired_at > clock_timestamp() - interval '7 days') m on true
      order by s.name limit most)
    union all
    select 'pgqueue_operations_open', array[k.kind],
           (select count(*) from operation o where o.kind = k.kind and o.finished_at is null)::float8
      from (values ('cancel'), ('retry'), ('discard'), ('update')) as k(kind)
    union all
    select 'pgqueue_findings', array[s.severity], (
           select count(*) from finding_log
            where (found).severity = s.severity and seen_at > clock_timestamp() - interval '3 minutes')::float8
      from (values ('note'), ('warning'), ('error')) as s(severity)
$$;
