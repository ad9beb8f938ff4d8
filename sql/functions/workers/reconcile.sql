-- reconcile: gives back jobs that run under a worker which does not know of them: the reply to their claim was lost.
-- Called by: each worker every third of its lease. Writes: job. Locks: job rows, SKIP LOCKED.
--
-- known   ids the worker holds: waiting, running, or with an outcome not yet handed in
-- grace   leave younger claims alone: their reply may still be on its way
-- within  leave older claims alone: the worker has looked at them before; NULL = look at all. The index keeps an entry of each
--         job that has ended since the oldest snapshot of the database, and a look at all walks them.
-- Returns the ids given back. Raises PQ001 for a grace or a within of more than a day.
create function reconcile(worker uuid, known bigint[], grace interval default '10 s', within interval default null)
returns setof bigint
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off
-- By hash, whatever is known of the length of `known`: compared one by one, 5,000 ids took 100 ms from the sixth call on.
set enable_nestloop = off set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
    now_   timestamptz := clock_timestamp();
    oldest timestamptz := coalesce(now_ - within, '-infinity');
    latest timestamptz := case when within is null then 'infinity' else now_ - grace end;
    lost   record;
begin
    perform check_interval('grace', grace, '1 day');
    perform check_interval('within', within, '1 day');
    for lost in
        select j.claim_token, array_agg(j.id) as ids from job j
         where j.state = 'running' and j.worker_id = worker
           and j.claimed_at >= oldest and j.claimed_at <= latest
           -- Later than that: the clock was set back since.
           and j.claimed_at not between now_ - grace and now_ + grace
           and not exists (select from unnest(known) as k(id) where k.id = j.id)
         group by j.claim_token
    loop
        return query select give_back(lost.claim_token, lost.ids);
    end loop;
end $$;
