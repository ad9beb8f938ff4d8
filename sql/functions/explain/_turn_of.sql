-- turn_of: what stands between a ready job and its start when nothing else does: limits, the jobs before it, busy workers.
-- Called by: why_waiting. Writes: nothing. is_held: other causes come first, so it has no estimate and is never the next.
create function turn_of(its job, is_held bool) returns setof cause
language plpgsql stable as $$
declare
    most   constant int := 10000;
    before int := jobs_before(its, most);
    causes cause[] := array(select limits_of(its, before)) || array(select busy_for(its));
    rate   float8;
    starts timestamptz;
    others text := case when before >= most then 'at least ' else '' end || counted(before, 'job', 'jobs');
begin
    if before > 0 then
        if cardinality(causes) = 0 and not is_held and its.lane_id is null and its.rescues < 2 then
            rate := ended_per_second(its.queue);
        end if;
        if rate > 0 then
            starts := clock_timestamp() + make_interval(secs => least(before / rate, 1e9));
        end if;
        causes := causes || row(case when its.rescues >= 2 then 'suspect' else 'queued' end,
            case when its.rescues >= 2
                 then format('it may have ended two workers, so workers run such jobs singly; it comes after %s of them', others)
                 when its.lane_id is not null then format('it comes after %s with the same limits', others)
                 else format('it comes after %s of queue %s (its priority is %s)', others, said_name(its.queue), its.priority) end
            || coalesce('; ' || ceil((rate * 60)::numeric) || ' a minute have ended lately, so it starts at '
                        || case when before >= most then 'the earliest at ' else 'about ' end || said_at(starts), ''),
            starts, jsonb_build_object('before', before, 'at_least', before >= most, 'priority', its.priority,
                                       'ended_per_second', round(rate::numeric, 3)))::cause;
    elsif its.rescues >= 2 then
        causes := causes || row('suspect',
            'it may have ended two workers, so a worker takes it only while it runs no other such job', null,
            jsonb_build_object('before', 0, 'rescues', its.rescues))::cause;
    elsif cardinality(causes) = 0 and not is_held then
        causes := array[row('next', 'nothing holds it: it is the next of its queue that a worker takes', null,
            jsonb_build_object('due_at', in_utc(its.run_at)))::cause];
    end if;
    return query select * from unnest(causes);
end $$;

-- jobs_before: how many ready jobs claims take before this one, `most` at most: of its lane; else of its queue, those of paused
-- tasks too. Called by: turn_of. Writes: nothing. Read off the index of claims; dead entries of it are walked as by a claim.
create function jobs_before(its job, most int) returns int
language plpgsql stable as $$
begin
    if its.lane_id is not null then
        return count(*) from (
            (select from job j where j.state = 'ready' and j.lane_id = its.lane_id and j.priority > its.priority limit most)
            union all
            (select from job j where j.state = 'ready' and j.lane_id = its.lane_id and j.priority = its.priority
                                 and (j.run_at, j.id) < (its.run_at, its.id) limit most)
            limit most) b;
    elsif its.rescues >= 2 then
        return count(*) from (
            select from job j where j.rescues >= 2 and j.worker_id is null and j.lane_id is null and j.state = 'ready'
                                and j.queue = its.queue and (j.run_at, j.id) < (its.run_at, its.id) limit most) b;
    end if;
    return count(*) from (
        (select from job j where j.state = 'ready' and j.rescues < 2 and j.lane_id is null and j.queue = its.queue
                             and j.priority > its.priority limit most)
        union all
        (select from job j where j.state = 'ready' and j.rescues < 2 and j.lane_id is null and j.queue = its.queue
                             and j.priority = its.priority and (j.run_at, j.id) < (its.run_at, its.id) limit most)
        limit most) b;
end $$;

-- ended_per_second: the jobs of a queue that have ended in each second of the last minute, as far as the history keeps them; of
-- a busy install as the last 2,000 of all queues tell. Called by: turn_of. Writes: nothing.
create function ended_per_second(in_queue text) returns float8
language sql stable as $$
    select count(*) filter (where queue = in_queue)
           / greatest(case when count(*) < 2000 then 60 else seconds_until(clock_timestamp(), min(finished_at)) end, 0.001)
      from (select queue, finished_at from job_history
             where finished_at between (select clock_timestamp()) - interval '60 s' and (select clock_timestamp())
             order by finished_at desc limit 2000) h
$$;

-- busy_for: that all places of the workers that may run a job were taken at their last heartbeats. Called by: turn_of.
-- Writes: nothing.
create function busy_for(its job) returns setof cause
language sql stable as $$
    select 'busy', format('all %s of %s were taken at the last heartbeat', counted(sum(w.concurrency), 'place', 'places'),
                          counted(count(*), 'worker', 'workers')), null::timestamptz,
           jsonb_build_object('workers', count(*), 'places', sum(w.concurrency), 'running', sum(w.running))
      from worker w where is_alive(w) and its.queue = any (w.queues) and knows_task(w.tasks, its.task)
    having count(*) > 0 and bool_and(w.running >= w.concurrency)
$$;
