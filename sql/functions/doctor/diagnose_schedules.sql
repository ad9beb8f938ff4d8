-- diagnose_schedules: schedules that do not fire, that missed ticks, whose task no worker knows, or that no code declares any
-- more. Called by: doctor, workers. Writes: nothing.
-- silent: for how long nobody has looked for schedules that are due; workers look each second
create function diagnose_schedules(silent interval default '30 s') returns setof finding
language sql stable security definer set search_path from current set jit = off as $$
    with alive as (
        select tasks from worker w where is_alive(w)
    ), due as (
        select count(*) as schedules, min(look_at) as since from schedule where look_at < clock_timestamp() - silent
    ), its as (
        select name, is_orphaned, error, enabled from schedules where is_orphaned or error is not null order by name limit 100
    ), homeless as (  -- the names are hashed once
        select name, definition->'job'->>'task' as task from schedule
         where paused_at is null and look_at is not null and exists (select from alive)
           and not exists (select from alive where tasks is null or cardinality(tasks) >= 1000)
           and not coalesce(definition->'job'->>'task' = any (select unnest(tasks) from alive), false)
         order by name limit 100
    ), missed as (
        select schedule, sum(stands_for) as ticks, max(tick) as last, max(coalesce(reason, outcome::text)) as reason
          from schedule_tick
         where (outcome = 'coalesced' or reason = 'missed') and fired_at > clock_timestamp() - interval '1 day'
         group by schedule order by 2 desc limit 100
    )
    select 'schedules-silent', 'error', 'schedules',
           format('schedules that are due: %s, the first since %s; no worker has looked for them since %s', d.schedules,
                  in_utc(d.since), coalesce(in_utc(nullif(l.looked_at, '-infinity')), 'the start')),
           jsonb_build_object('due', d.schedules, 'since', d.since, 'looked_at', nullif(l.looked_at, '-infinity')),
           'no schedule fires',
           case when exists (select from alive) then 'look at the logs of the workers: their maintenance fails, or hangs'
                else 'start a worker: pgqueue worker MODULE:APP' end
      from due d cross join schedule_look l
     where d.schedules > 0 and l.looked_at not between clock_timestamp() - silent and clock_timestamp() + silent
    union all
    select 'schedule-broken', 'error', name,
           format('the next tick of schedule %L cannot be computed: %s', name, left(error, 300)),
           jsonb_build_object('schedule', name, 'error', left(error, 300)), 'it does not fire',
           format('select %I.delete_schedule(%L) -- or change its times: pgqueue schedules set', current_schema(), name)
      from its where error is not null and enabled
    union all
    select 'schedule-without-task', 'error', name,
           format('schedule %L makes jobs of task %L, which no worker that is alive knows', name, task),
           jsonb_build_object('schedule', name, 'task', task), 'its jobs wait',
           format('select %I.delete_schedule(%L) -- or deploy a worker whose app has the task', current_schema(), name)
      from homeless
    union all
    select 'schedule-orphaned', 'warning', name, format('schedule %L was declared by code, and no worker declares it now', name),
           jsonb_build_object('schedule', name), 'it goes on, and its task may be gone',
           format('select %I.delete_schedule(%L) -- or declare it again', current_schema(), name)
      from its where is_orphaned
    union all
    select 'schedule-missed', 'warning', schedule, format('schedule %L missed %s ticks in the last day', schedule, ticks),
           jsonb_build_object('schedule', schedule, 'ticks', ticks, 'last', last),
           'no jobs were made for them, or one for several',
           format('select %1$I.backfill_schedule(%2$L, array(select tick from %1$I.schedule_tick where schedule = %2$L '
                  'and (outcome = ''coalesced'' or reason = ''missed''))) -- if their jobs are wanted',
                  current_schema(), schedule)
      from missed
$$;
