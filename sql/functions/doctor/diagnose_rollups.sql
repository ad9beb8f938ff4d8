-- diagnose_rollups: that the roll-ups do not keep up with what ends, though workers are there. Called by: doctor, workers.
-- Writes: nothing.
-- late: workers roll up a minute 10 s after its end; for as long a worker must have been there
create function diagnose_rollups(late interval default '5 minutes') returns setof finding
language sql stable security definer set search_path from current set jit = off as $$
    select 'roll-ups-late', 'warning', 'metric_minute',
           format('what has ended is rolled up to %s, last at %s, and workers are there', coalesce(in_utc(minute_at), 'no time'),
                  coalesce(in_utc(rolled_at), 'no time')),
           jsonb_build_object('minute_at', minute_at, 'rolled_at', rolled_at,
                              'seconds', extract(epoch from clock_timestamp() - minute_at)::bigint),
           'metrics and the figures of queues and tasks end there, and the history may be kept for longer than it should',
           format('select %I.roll_up() -- while it returns 0.1, there is more to do; 5: another transaction holds roll_up_state. '
                  'And look at the logs of the workers: why theirs fails',
                  current_schema())
      from roll_up_state
     where (minute_at > clock_timestamp() - late) is not true
       and exists (select from worker where state = 'active' and heartbeat_at + lease >= clock_timestamp()
                                        and started_at < clock_timestamp() - late)
$$;
