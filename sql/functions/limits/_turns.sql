-- take_turn: records that a lane has jobs to claim, the oldest due since `since`. It only inserts, so it blocks no other
-- transaction.
-- Called by: insert_job, insert_limited_jobs, take_turns. Writes: turn.
-- A lane that is parked is looked at anyway when its key opens. A lane that is being unparked at this moment is missed, and
-- found by sweep_lanes.
create function take_turn(in_queue text, lane uuid, its_keys text[], since timestamptz) returns void
language plpgsql as $$
begin
    insert into turn (queue, lane_id, keys, due_at, lo)
    select in_queue, lane, its_keys, clock_timestamp(), since
     where not exists (select from turn t where t.lane_id = lane and t.key is not null and t.lo <= since);
end $$;

-- take_turns: take_turn for the lanes of jobs that have just become ready; others are passed over.
-- Called by: functions that let jobs run (again), for jobs with a lane. Writes: turn.
-- The conditions stand outside: beside the id they would make job_lane an index to choose, and a plan would walk all that wait.
create function take_turns(job_ids bigint[]) returns void
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
begin
    perform take_turn(queue, lane_id, limits, since)
       from (select j.queue, j.lane_id, j.limits, min(j.run_at) as since
               from unnest(job_ids) as given(id),
                    lateral (select * from job where id = given.id offset 0) j
              where j.lane_id is not null and j.state = 'ready'
              group by j.queue, j.lane_id, j.limits) lanes;
end $$;

-- free_keys: places of these limits were given back: look at what is parked behind them. keys: array literals, one a job.
-- Called by: functions that take jobs with places out of the running state. Writes: turn; it only inserts, so it never waits for
-- a claim. A claim that is just parking a lane is not seen; the lane is looked at again anyway, see opening_of.
create function free_keys(keys text[]) returns void
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
begin
    insert into turn (queue, key, due_at)
    select q.queue, k.key, clock_timestamp()
      from (select distinct key  -- most jobs of a batch have the same keys: each array is read once
              from (select distinct a.its_keys from unnest(keys) as a(its_keys)) l, unnest(l.its_keys::text[]) as u(key)) k
     cross join lateral waiting_queues(k.key) q
     where exists (select from limit_of(k.key) d where d.max_running is not null);
end $$;

-- waiting_queues: the queues of which lanes are parked behind a key, each found by one step. Called by: free_keys, sweep_keys.
create function waiting_queues(its_key text) returns table (queue text)
language sql stable as $$
    with recursive found (name) as (
        select min(queue) from (select queue from turn where key = its_key order by queue limit 1) first
        union all
        select (select t.queue from turn t where t.key = its_key and t.queue > f.name order by t.queue limit 1)
          from found f where f.name is not null
    )
    select name from found where name is not null
$$;
