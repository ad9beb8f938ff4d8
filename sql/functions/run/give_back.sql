-- give_back: returns unstarted jobs of one claim to their queue; the attempt does not count, and tokens of limits come back, see
-- refund. One that was asked to stop ends as cancelled instead.
-- Called by: a stopping worker; reconcile. Writes: job, job_history, bucket. Locks: job rows, SKIP LOCKED; see cancel_again and
-- cancel_asked.
-- Returns the ids given back, and those cancelled. A stale token gives back nothing: the job has another owner by now.
create function give_back(token uuid, job_ids bigint[]) returns setof bigint
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_nestloop = on
set enable_hashjoin = off set enable_mergejoin = off set jit = off
set plan_cache_mode = force_generic_plan set lock_timeout = '5s' as $$
declare
    woken text[];
    nodes bigint[];
    limited bigint[];
    freed text[];
    asked bigint[];
begin
    perform refund(job_ids, array(select token from unnest(job_ids)));
    with held as materialized (
        select j.id, j.is_asked from unnest(job_ids) as given(id), lateral (
            select j.id, j.control ? 'cancel' as is_asked from job j
             where j.id = given.id and j.claim_token = token for update skip locked offset 0) j
    ), again as (
        update job j
           set state = 'ready', attempt = j.attempt - 1, claim_token = null, worker_id = null, claimed_at = null
          from held where j.id = any (array[held.id]) and held.is_asked is not true
        returning j.id, j.queue, j.workflow_id, j.lane_id, j.limits, j.holds_place
    )
    select array_agg(again.id), array_agg(distinct again.queue), array_agg(again.id) filter (where workflow_id is not null),
           array_agg(again.id) filter (where lane_id is not null), array_agg(again.limits::text) filter (where holds_place),
           (select array_agg(held.id) from held where held.is_asked)
      into job_ids, woken, nodes, limited, freed, asked from again;
    if nodes is not null then
        perform cancel_again(nodes);
    end if;
    if limited is not null then
        perform take_turns(limited);
    end if;
    if freed is not null then
        perform free_keys(freed);
    end if;
    perform wake(queue) from unnest(woken) as w(queue);
    if asked is not null then
        job_ids := job_ids || cancel_asked(asked);
    end if;
    return query select unnest(job_ids);
end $$;
