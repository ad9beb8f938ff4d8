-- promote: makes scheduled jobs ready whose time has come, and ends those whose time is over, see expire and end_forced.
-- Called by: any worker, when the next one is due. Writes: job; see expire. Locks: job rows, SKIP LOCKED; see cancel_again,
-- expire and end_forced.
-- Returns how many it made ready; the seconds until the next job is due or over, or the next schedule due (NULL: none is, 0: more
-- jobs are now); and whether schedules are due now, which the caller then lets fire, see due_schedules (NULL: there are none to
-- look at).
create function promote(want int default 1000, out promoted int, out next_in float8, out schedules_due bool)
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
set plan_cache_mode = force_generic_plan set lock_timeout = '5s' as $$
declare
    woken text[];
    nodes bigint[];
    limited bigint[];
    next_end timestamptz;
    ended int;
    next_force timestamptz;
    look timestamptz;
begin
    select ends_at into next_end from ending_job order by ends_at, id limit 1;
    if next_end <= clock_timestamp() then
        ended := expire(want);
        select ends_at into next_end from ending_job
         where ends_at > (select clock_timestamp()) order by ends_at, id limit 1;
    end if;
    select at into next_force from forced_cancel order by at limit 1;
    if next_force <= clock_timestamp() then
        if end_forced() then
            ended := want;
        end if;
        select at into next_force from forced_cancel where at > (select clock_timestamp()) order by at limit 1;
    end if;
    with due as materialized (
        select id from job
         where state = 'scheduled' and run_at <= (select clock_timestamp())  -- bare it is volatile, and no index finds by it
         order by run_at, id limit want
           for no key update skip locked
    ), made_ready as (
        update job j set state = 'ready' from due where j.id = any (array[due.id])
        returning j.id, j.queue, j.workflow_id, j.lane_id
    )
    select count(*), array_agg(distinct queue), array_agg(id) filter (where workflow_id is not null),
           array_agg(id) filter (where lane_id is not null)
      into promoted, woken, nodes, limited from made_ready;
    if nodes is not null then
        perform cancel_again(nodes);
    end if;
    if limited is not null then
        perform take_turns(limited);
    end if;
    perform wake(queue) from unnest(woken) as w(queue);

    select greatest(extract(epoch from run_at - clock_timestamp()), 0) into next_in from job
     where state = 'scheduled' order by run_at, id limit 1;
    if ended >= want then
        next_in := 0;
    elsif next_end is not null or next_force is not null then
        next_in := least(next_in, greatest(extract(epoch from least(next_end, next_force) - clock_timestamp()), 0));
    end if;
    select look_at into look from schedule where look_at is not null order by look_at limit 1;
    if found then
        schedules_due := look <= clock_timestamp();
        if schedules_due then  -- whoever is told to let them fire does not look at the others yet
            select look_at into look from schedule where look_at > (select clock_timestamp()) order by look_at limit 1;
        end if;
        if look is not null then
            next_in := least(next_in, greatest(extract(epoch from look - clock_timestamp()), 0));
        end if;
    end if;
end $$;
