-- sample_depths: counts the live jobs by queue, priority and state as of the beginning of a minute, see metric_depth.
-- Called by: roll_up. Writes: metric_depth.
-- A job that was live then has not ended since, or ended after: as it is now, and as running if it has ended. One that was added
-- by a transaction that is still open counts from the next sample on.
create function sample_depths(boundary timestamptz default null) returns void
language plpgsql set jit = off as $$
begin
    insert into metric_depth (minute, queue, priority, state, jobs)
    select boundary, queue, priority, state, sum(jobs)
      from (select queue, priority, state, count(*) as jobs from job where created_at < boundary group by 1, 2, 3
            union all
            select queue, priority, 'running', count(*) from job_history
             where finished_at >= boundary and created_at < boundary group by 1, 2
            union all
            select queue, priority, 'running', count(*) from dead_letter
             where finished_at >= boundary and created_at < boundary group by 1, 2
            union all
            select queue, priority, 'running', sum(case when minute = boundary then created_before else 0 end) from unkept_end
             where minute >= boundary group by 1, 2) j
     where boundary is not null group by queue, priority, state having sum(jobs) > 0
    on conflict (minute, queue, priority, state) do update set jobs = excluded.jobs;
end $$;
