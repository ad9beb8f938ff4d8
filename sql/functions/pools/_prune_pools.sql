-- prune_pools: samples pools, ends deleted ones whose agents have died, and deletes events and samples that are as old as the
-- history. Returns whether there may be more. Called by: prune. Writes: pool, pool_event, pool_sample. Locks: deleted pools,
-- SKIP LOCKED.
create function prune_pools(keep_days int, most int) returns bool
language plpgsql set enable_seqscan = off set jit = off as $$
declare
    bound  timestamptz := clock_timestamp() - make_interval(days => keep_days);
    gone   int;
    more   bool;
begin
    perform end_pool(name)
       from (select name from pool where deleting order by name for update skip locked) p;
    perform sample_pools();
    delete from pool_event where ctid = any (array(select ctid from pool_event where at < bound order by at limit most));
    get diagnostics gone = row_count;
    more := gone = most;
    delete from pool_sample where ctid = any (array(
        select s.ctid from pool p cross join lateral (
               select ctid from pool_sample where pool = p.name and at < bound order by at limit most) s limit most));
    get diagnostics gone = row_count;
    return more or gone = most;
end $$;
