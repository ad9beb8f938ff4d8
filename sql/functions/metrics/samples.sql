-- samples: what monitoring shows, a row a sample: figures of now, and counters from the beginning on, which never go back and are
-- the same whichever server is asked; see docs/prometheus.md. Called by: /metrics. Writes: nothing.
-- Counters and quantiles are of what is rolled up: they are up to 70 s late, and stand still while no worker runs.
-- labels: their values; metric says which they are. Only so many queues and tasks have a label of their own, those that were
-- first in the order of days and names; the sum of the others is `other`.
-- most: how many; limits, schedules and pauses are left out beyond as many.
create function samples(most int default 200) returns table (metric text, labels text[], value float8)
language plpgsql stable security definer set search_path from current set timezone = 'UTC' set jit = off as $$
#variable_conflict use_variable
begin
    return query select * from job_samples(most);
    return query select * from state_samples(most);
    return query select * from pool_samples(most);
    return query select * from server_samples();
end $$;
