-- check_depth: refuses jobs that would be ready at once if their queue is full: raises PQ005 before anything is written.
-- Called by: enqueue and its kind, where the table queue is not empty. Writes: nothing. Locks: none.
-- It compares with the last figure of sweep_queues and counts nothing, so a queue may hold as many jobs more as are enqueued
-- between two sweeps, about a second. While no worker runs, the last figure stands.
-- Jobs for later, jobs that wait for others, those of schedules, callbacks and retries are never refused.
create function check_depth(in_queue text, more bigint, run_at timestamptz default null, run_after interval default null)
returns void
language plpgsql as $$
#variable_conflict use_variable
declare
    its record;
begin
    if run_at > clock_timestamp() or run_after > interval '0' then
        return;
    end if;
    select q.max_ready, coalesce((select d.ready from queue_depth d where d.queue = q.name order by d.counted_at desc limit 1), 0)
        as ready into its
      from queue q where q.name = in_queue and q.max_ready is not null and q.on_full = 'refuse';
    if found and its.ready + more > its.max_ready then
        raise exception 'queue: % is full: % more would be above its max_ready of %, as about % are ready',
            quote_literal(in_queue), more, its.max_ready, its.ready
            using errcode = 'PQ005', column = 'queue', hint = 'Try again later, or set a larger max_ready.';
    end if;
end $$;

-- check_depths: check_depth for jobs with options of their own, all together for each queue. What is no list of jobs is left to
-- check_jobs and check_nodes. Called by: enqueue_many, enqueue_workflow. Writes: nothing.
create function check_depths(jobs jsonb) returns void
language plpgsql as $$
begin
    if jsonb_typeof(jobs) is distinct from 'array' or jsonb_path_exists(jobs, 'strict $[*] ? (@.type() != "object")') then
        return;
    end if;
    perform check_depth(queue, more)
       from (select coalesce(j.queue, 'default') as queue, count(*) as more
               from jsonb_array_elements(jobs) as e(element),
                    jsonb_to_record(element) as j(queue text, run_at timestamptz, run_after interval)
              where (j.run_at > clock_timestamp() or j.run_after > interval '0') is not true
                and coalesce(nullif(element->'depends_on', 'null'), '[]') = '[]'
                and coalesce(nullif(element->'after', 'null'), '[]') = '[]'
              group by 1) per_queue;
end $$;
