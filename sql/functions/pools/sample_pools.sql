-- sample_pools: keeps how many workers of each pool are wanted and run, and how much waits, once a minute whoever calls.
-- Called by: agents, and maintain: so a pool without agents has samples too. Writes: pool_sample.
-- A pool that is paused or is being deleted wants none.
create function sample_pools() returns void
language plpgsql security definer set search_path from current as $$
declare
    minute timestamptz := date_trunc('minute', clock_timestamp());
begin
    if not exists (select from pool p where not exists (select from pool_sample s where s.pool = p.name and s.at = minute)) then
        return;
    end if;
    insert into pool_sample (pool, at, wanted, running, ready)
    select p.name, minute, case when p.state in ('paused', 'deleting') then 0 else p.wanted end, p.running, p.ready
      from pools p
    on conflict do nothing;
end $$;
