-- pick_others: locks up to `room` ready jobs of a queue, in claim's order, while tasks are paused or some jobs are taken already.
-- It walks past the jobs of paused tasks. Many in front make claims slow, and then a worker resumes behind them, as with dead
-- entries: see claim, resume_at.
-- paused: NULL = none. taken: ids that this claim has locked before; they are found again, because the lock is its own.
-- Called by: claim, which pins the plan. Writes: nothing. Locks: job rows, SKIP LOCKED; a few more than it returns.
create function pick_others(in_queue text, paused text[], taken bigint[], resume_at jsonb, room int) returns bigint[]
language plpgsql as $$
declare
    most   int := room + cardinality(taken);
    picked bigint[] := '{}';
    probe  record;
begin
    if resume_at is null or not resume_at @> jsonb_build_array(jsonb_build_object('queue', in_queue)) then
        picked := array(
            select j.id from job j
             where j.state = 'ready' and j.rescues < 2 and j.lane_id is null and j.queue = in_queue
               and (paused is null or j.task <> all (paused)) and may_start(j.expires_at, j.deadline_at, j.attempt)
             order by j.priority desc, j.run_at, j.id limit most
               for no key update skip locked);
    else
        for probe in
            select p.priority, p.run_at, coalesce(p.until, 'infinity') as until
              from jsonb_to_recordset(resume_at) as p(queue text, priority smallint, run_at timestamptz, until timestamptz)
             where p.queue = in_queue order by p.priority desc, p.run_at
        loop
            exit when cardinality(picked) >= most;
            picked := picked || array(
                select j.id from job j
                 where j.state = 'ready' and j.rescues < 2 and j.lane_id is null and j.queue = in_queue
                   and j.priority = probe.priority and j.run_at >= probe.run_at and j.run_at < probe.until
                   and (paused is null or j.task <> all (paused)) and may_start(j.expires_at, j.deadline_at, j.attempt)
                 order by j.run_at, j.id limit most - cardinality(picked)
                   for no key update skip locked);
        end loop;
    end if;
    if taken = '{}' then
        return picked;
    end if;
    return array(select p.id from unnest(picked) with ordinality as p(id, place) where p.id <> all (taken)
                  order by p.place limit room);
end $$;
