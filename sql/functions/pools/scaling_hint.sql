-- scaling_hint: how many workers the work of a pool needs just now: ready and running jobs by the concurrency of a worker, at
-- most its maximum. Called by: scalers of others, such as KEDA, through the role `scaler`. Writes: nothing.
-- It counts no more jobs than its maximum of workers could run, and at most 10,000, so it takes as long with ten million.
-- Jobs that are paused or wait for a limit do not count. A pool that is paused needs none. Raises PQ003 when there is none.
create function scaling_hint(pool text) returns int
language plpgsql stable security definer set search_path from current as $$
declare
    its  pool := pool_named(pool);
    load record;
begin
    if its.paused or its.deleting then
        return 0;
    end if;
    load := load_of(its, least(its.maximum::bigint * its.concurrency, 10000)::int);
    return least(ceil((load.running + load.ready)::numeric / its.concurrency), its.maximum);
end $$;
