-- unpaused: those of these queues from which jobs may start, with their weights, in the same order; and the tasks of which none
-- may (NULL: no task is paused).
-- Called by: claim, has_work, where the table pause is not empty. Writes: nothing. Locks: none.
create function unpaused(inout queues text[], inout weights float8[] default null, out tasks text[])
language plpgsql as $$
#variable_conflict use_variable
begin
    if exists (select from pauses p where p.kind = 'everything') then
        queues := '{}';
        return;
    end if;
    select coalesce(array_agg(q.name order by q.place), '{}'),
           case when weights is not null then array_agg(weights[q.place] order by q.place) end
      into queues, weights
      from unnest(queues) with ordinality as q(name, place)
     where not exists (select from pauses p where p.kind = 'queue' and p.name = q.name);
    tasks := (select array_agg(p.name) from pauses p where p.kind = 'task');
end $$;

-- pick_unpaused: locks up to `room` ready jobs of a queue, in claim's order, while these tasks are paused; it walks past their
-- jobs. Many in front make claims slow, and then a worker resumes behind them, as with dead entries: see claim, resume_at.
-- Called by: claim, which pins the plan. Writes: nothing. Locks: job rows, SKIP LOCKED.
create function pick_unpaused(in_queue text, paused text[], resume_at jsonb, room int) returns bigint[]
language plpgsql as $$
declare
    picked bigint[] := '{}';
    probe  record;
begin
    if resume_at is null or not resume_at @> jsonb_build_array(jsonb_build_object('queue', in_queue)) then
        return array(
            select j.id from job j
             where j.state = 'ready' and j.rescues < 2 and j.lane_id is null and j.queue = in_queue
               and j.task <> all (paused) and may_start(j.expires_at, j.deadline_at, j.attempt)
             order by j.priority desc, j.run_at, j.id limit room
               for no key update skip locked);
    end if;
    for probe in
        select p.priority, p.run_at from jsonb_to_recordset(resume_at) as p(queue text, priority smallint, run_at timestamptz)
         where p.queue = in_queue order by p.priority desc
    loop
        picked := picked || array(
            select j.id from job j
             where j.state = 'ready' and j.rescues < 2 and j.lane_id is null and j.queue = in_queue
               and j.priority = probe.priority and j.run_at >= probe.run_at
               and j.task <> all (paused) and may_start(j.expires_at, j.deadline_at, j.attempt)
             order by j.run_at, j.id limit room - cardinality(picked)
               for no key update skip locked);
    end loop;
    return picked;
end $$;
