-- diagnose_pools: pools that no agent runs, whose agents have too few places, whose app does not start, or that have long had
-- fewer workers than are wanted. Called by: doctor, workers. Writes: nothing.
-- For long: in each sample of the last five minutes, and there are three of them at least.
create function diagnose_pools() returns setof finding
language sql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
    with its as (
        select p.*, jsonb_build_object('pool', name, 'wanted', wanted, 'running', running, 'agents', agents, 'places', places)
                    as figures, failed.reason as failure,
               (select count(*) > 2 and bool_and(s.running < s.wanted)
                  from pool_sample s
                 where s.pool = p.name and s.at between clock_timestamp() - interval '5 minutes'
                                                 and clock_timestamp()) as is_short
          from pool_status p
          left join lateral (
               select e.reason from pool_event e
                where e.pool = p.name and e.kind = 'cannot_start' and e.at > clock_timestamp() - interval '10 minutes'
                order by e.id desc limit 1) failed on true
         where p.state not in ('deleting', 'paused')
    )
    select 'pool-without-agent', 'error', name, format('no agent runs the pool %s; workers wanted: %s', name, wanted),
           figures, 'none of its workers runs', format('on one machine or more: pgqueue agent %s --slots %s', name, wanted)
      from its where state = 'no_agent'
    union all
    select 'pool-cannot-start', 'error', name,
           format('workers of the pool %s do not start: %s', name, coalesce(left(failure, 500), 'see the log of its agent')),
           figures, 'it has fewer workers than are wanted',
           format('mend the app %s, or its installation on the machines of the agents; they try again', app)
      from its where running < wanted and failure is not null
    union all
    select 'pool-without-room', 'warning', name,
           format('the pool %s wants %s workers, and its agents have places for %s', name, wanted, places), figures,
           'the others do not run', format('start another one: pgqueue agent %s --slots %s', name, wanted - places)
      from its where state = 'no_room'
    union all
    select 'pool-short', 'warning', name,
           format('%s of %s workers of the pool %s have run for five minutes or longer', running, wanted, name), figures,
           'its jobs wait longer', format('look at what the agents log, and at: pgqueue pool %s', name)
      from its where is_short and running < wanted and state not in ('no_agent', 'no_room') and failure is null
$$;
