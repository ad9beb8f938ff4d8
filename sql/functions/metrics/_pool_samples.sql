-- pool_samples: the samples of pools, the first in the order of names. Called by: samples. Writes: nothing.
create function pool_samples(most int) returns table (metric text, labels text[], value float8)
language sql stable set jit = off as $$
    select v.metric, array[p.name], v.value
      from (select * from pool order by name limit most) p
     cross join lateral (select count(*) as running from crew_of(p)) c
     cross join lateral (
           values ('pgqueue_pool_workers_wanted', case when p.paused or p.deleting then 0 else p.wanted end::float8),
                  ('pgqueue_pool_workers', c.running::float8),
                  ('pgqueue_pool_workers_needed', scaling_hint(p.name)::float8)) as v(metric, value)
$$;
