-- claim: gives a worker up to `want` ready jobs, all under one token.
-- Called by: workers. Writes: job. Locks: job rows, SKIP LOCKED, so claimers never wait for each other.
-- Order: within a queue larger priority, earlier run_at, smaller id. Between queues: without weights the array's order;
-- with weights a random order at each call in which a queue comes first in proportion to its weight.
-- Raises PQ002 when the worker is lost or unknown: its jobs are being rescued.
-- node: NULL for a plain job; of a node of a workflow what node_of says.
--
-- resume_at   NULL, or [{"queue", "priority", "run_at"}, ...]: look only at these priorities and only from this run_at on.
--             A queue without an entry is looked at whole: the last claims have said nothing about it.
--             A long transaction anywhere keeps the index entries of finished jobs alive, and a full claim walks them all;
--             a worker whose claims have become slow skips them so, and still makes a full claim about once a second.
create function claim(
    worker uuid, token uuid, queues text[], want int, weights float8[] default null, resume_at jsonb default null
) returns table (
    id bigint, queue text, task text, args jsonb, attempt smallint, max_attempts smallint, priority smallint,
    run_at timestamptz, created_at timestamptz, meta jsonb, node jsonb
)
-- The plan is pinned: one made while the table was empty would sort or scan it later (a factor of 4 at a million jobs).
-- "= any (array[id])" is part of that, here and in finish, give_back and promote: with a plain "=" such a plan makes job the
-- outer table and walks its whole primary key at every call.
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan set jit = off set lock_timeout = '5s' as $$
#variable_conflict use_column
declare
    picked     bigint[];
    this_queue text;
    probe      record;
begin
    perform assert_active(worker);
    picked := case when want > 0 then pick_suspect(worker, queues) else '{}' end;

    if weights is not null and cardinality(queues) > 1 then
        queues := array(select name from unnest(queues, weights) as q(name, weight) order by -ln(1 - random()) / weight);
    end if;
    foreach this_queue in array coalesce(queues, '{}') loop
        exit when cardinality(picked) >= want;
        if resume_at is null or not resume_at @> jsonb_build_array(jsonb_build_object('queue', this_queue)) then
            picked := picked || array(
                select j.id from job j
                 where j.state = 'ready' and j.rescues < 2 and j.queue = this_queue
                 order by j.priority desc, j.run_at, j.id limit want - cardinality(picked)
                   for no key update skip locked);
        else
            for probe in
                select p.priority, p.run_at
                  from jsonb_to_recordset(resume_at) as p(queue text, priority smallint, run_at timestamptz)
                 where p.queue = this_queue order by p.priority desc
            loop
                picked := picked || array(
                    select j.id from job j
                     where j.state = 'ready' and j.rescues < 2 and j.queue = this_queue
                       and j.priority = probe.priority and j.run_at >= probe.run_at
                     order by j.run_at, j.id limit want - cardinality(picked)
                       for no key update skip locked);
            end loop;
        end if;
    end loop;

    -- "= any (array[...])" has no merge order: a plan cached while the table was empty cannot walk the whole key instead.
    return query
    update job j
       set state = 'running', attempt = j.attempt + 1, worker_id = worker, claim_token = token, claimed_at = clock_timestamp(),
           unique_key = case when j.unique_mode in ('until_started', 'replace') then null else j.unique_key end
      from unnest(picked) as p(id)
     where j.id = any (array[p.id])
    returning j.id, j.queue, j.task, j.args, j.attempt, j.max_attempts, j.priority, j.run_at, j.created_at, j.meta,
              case when j.workflow_id is not null then (select n.node from node_of(j.id) n) end;
end $$;
