-- fire_one: decides the due ticks of one schedule, and the one that waits for a job. at: the time now.
-- Called by: fire_schedules, which holds it and has compared it. Writes: job, schedule, schedule_tick; see insert_job.
-- Returns what became of the ticks; none if one of them is not due yet by the clock of the database.
create function fire_one(seen schedule_fire, at timestamptz) returns tick_fired[]
language plpgsql as $$
declare
    its     schedule := (select s from schedule s where s.name = seen.name);
    ticks   timestamptz[] := due_ticks(seen, at);
    plans   tick_plan[];
    plan    tick_plan;
    decided tick_fired[] := '{}';
    made    tick_fired;
begin
    if at < any (ticks) then
        return '{}';
    end if;
    if its.buffered_tick is not null and not is_live(its.last_job_id) then
        made := try_job(its, its.buffered_tick, its.buffered_for, null);
        its := with_tick(its, made);
        perform note_tick(made, at);
        decided := decided || made;
        made := null;
    end if;
    plans := plan_ticks(its, ticks, seen, at);
    for plan in select p.* from unnest(plans) p where p.fires order by p.tick loop  -- most of many missed ones do not
        continue when exists (select from schedule_tick t where t.schedule = its.name and t.tick = plan.tick);
        made := decide_tick(its, plan);
        its := with_tick(its, made);
        perform note_tick(made, at);
        decided := decided || made;
    end loop;
    decided := decided || note_missed(its.name, plans, made, at);
    perform advance(its, seen, ticks, at);
    return decided;
end $$;

-- due_ticks: the due ticks that a worker has listed, in order. The stored next tick is one of them, whatever the worker says: the
-- first, or one of those that are only counted. Called by: fire_one. Writes: nothing.
create function due_ticks(seen schedule_fire, at timestamptz) returns timestamptz[]
language sql as $$
    select case when seen.next_tick > at then '{}' else array(
        select distinct tick
          from unnest(case when coalesce(seen.older, 0) = 0 then seen.next_tick end || coalesce(seen.ticks, '{}')) as t(tick)
         where tick >= coalesce(seen.next_tick, tick) and tick > seen.after_at order by 1) end
$$;

-- plan_ticks: what is to become of due ticks by the policy for those that were missed. A tick was missed if a later one is due,
-- too, or if it is older than the window; but the last one is on time for a minute, however short the window is. Those that a
-- worker has only counted are one entry, by the first of them.
-- Called by: fire_one. Writes: nothing.
create function plan_ticks(its schedule, ticks timestamptz[], seen schedule_fire, at timestamptz) returns tick_plan[]
language sql as $$
    with policy as (
        select d->>'misfire' as misfire, (d->>'most')::int as most, (d->>'spacing')::float8 as spacing,
               at - make_interval(secs => (d->>'window')::float8) as since, (d->>'jitter')::float8 as jitter
          from (select schedule_defaults() || its.definition as d) d
    ), due as (
        select tick, 1 as counts from unnest(ticks) as t(tick)
        union all
        select coalesce(seen.next_tick, seen.after_at + interval '1 us'), seen.older
         where seen.older > 0 and coalesce(seen.next_tick <= at, true)
    ), ordered as (
        select due.*, policy.*, row_number() over (order by tick desc) as place,
               tick >= since or tick >= at - interval '60 s' and tick = max(tick) over () as is_kept
          from due, policy
    ), chosen as (
        select *, sum(counts) filter (where is_kept) over () as kept,
               is_kept and counts = 1 and case misfire when 'catch_up' then place <= most
                                                          when 'skip' then place = 1 and tick >= at - interval '60 s'
                                                          else place = 1 end as fires
          from ordered
    )
    select coalesce(array_agg(row(
               tick, fires, is_kept and not fires and misfire = 'coalesce',
               case when fires and misfire = 'coalesce' then kept else counts end,
               case when fires then nullif(greatest(
                   tick + case when jitter > 0 then jitter_of(its.name, tick, jitter) else '0' end,
                   at + nth * make_interval(secs => spacing)), at) end
           )::tick_plan order by tick), '{}')
      from (select *, count(*) filter (where fires) over (order by tick rows between unbounded preceding and 1 preceding) as nth
              from chosen) c
$$;

-- decide_tick: the job of a tick, unless the job before it has not ended and the schedule asks for that. Called by: fire_one.
-- Writes: job; see insert_job.
create function decide_tick(its schedule, plan tick_plan) returns tick_fired
language plpgsql as $$
begin
    if its.definition ? 'overlap' and is_live(its.last_job_id) then
        if its.definition->>'overlap' = 'buffer_one' and its.buffered_tick is null then
            return row(its.name, plan.tick, 'buffered', null, null, plan.stands_for)::tick_fired;
        end if;
        return row(its.name, plan.tick, 'skipped', 'overlap', its.last_job_id, plan.stands_for)::tick_fired;
    end if;
    return try_job(its, plan.tick, plan.stands_for, plan.run_at);
end $$;

-- is_live: whether a job has not ended. Called by: fire_one, decide_tick. Writes: nothing.
create function is_live(job_id bigint) returns bool
language sql as $$
    select exists (select from job where id = job_id)
$$;

-- with_tick: a schedule after a tick was decided. Called by: fire_one. Writes: nothing.
create function with_tick(its schedule, made tick_fired) returns schedule
language plpgsql as $$
begin
    if made.tick = its.buffered_tick then
        its.buffered_tick := null;
        its.buffered_for := null;
    end if;
    if made.outcome = 'buffered' then
        its.buffered_tick := made.tick;
        its.buffered_for := made.stands_for;
    elsif made.outcome = 'fired' then
        its.last_job_id := made.job_id;
    end if;
    its.last_tick := made.tick;
    its.last_outcome := made.outcome;
    its.last_reason := made.reason;
    return its;
end $$;

-- note_missed: records the ticks that do not fire. Those for which another one stands have its outcome if that has no job.
-- Called by: fire_one. Writes: schedule_tick. What is recorded already stays.
create function note_missed(its_name text, plans tick_plan[], made tick_fired, at timestamptz) returns tick_fired[]
language sql as $$
    with noted as (
        insert into schedule_tick (schedule, tick, outcome, reason, job_id, stands_for, fired_at)
        select its_name, p.tick,
               case when not p.coalesces then 'skipped' when made.outcome in ('skipped', 'failed') then made.outcome
                    else 'coalesced' end,
               case when not p.coalesces then 'missed' when made.outcome in ('skipped', 'failed') then made.reason end,
               case when p.coalesces then made.job_id end, p.stands_for, at
          from unnest(plans) p where not p.fires
        on conflict on constraint schedule_tick_pkey do nothing
        returning *
    )
    select array(select row(schedule, tick, outcome, reason, job_id, stands_for)::tick_fired from noted order by tick)
$$;

-- advance: stores a schedule whose ticks were decided, with its next tick. A tick that is not later than the last one is an error
-- of a worker, and so is one that it cannot compute: it is tried again after a minute. Called by: fire_one. Writes: schedule.
create function advance(its schedule, seen schedule_fire, ticks timestamptz[], at timestamptz) returns void
language plpgsql as $$
declare
    last timestamptz := coalesce(ticks[cardinality(ticks)], its.after_at);
    next timestamptz := seen.next;
begin
    if its.next_tick > at then  -- only the one that waits was looked at
        next := its.next_tick;
        last := its.after_at;
    elsif seen.error is not null then
        its.error := left(seen.error, 500);
        next := null;
    elsif next <= last then
        its.error := format('the next tick after %s cannot be %s', in_utc(last), in_utc(next));
        next := null;
    else
        its.error := null;
    end if;
    update schedule s
       set after_at = last, next_tick = next, error = its.error,
           look_at = least(next, case when its.error is not null then at + interval '1 min' end,
                           case when its.buffered_tick is not null then at + interval '0.5 s' end),
           last_job_id = its.last_job_id, last_tick = its.last_tick, last_outcome = its.last_outcome,
           last_reason = its.last_reason, buffered_tick = its.buffered_tick, buffered_for = its.buffered_for
     where s.name = its.name;
end $$;
