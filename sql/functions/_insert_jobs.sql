-- insert_jobs: adds one job per element of args, all with the same options, in one statement. Returns their ids in that order.
-- Called by: enqueue_many, enqueue_select. Writes: job.
create function insert_jobs(
    task text, args jsonb[], queue text, priority int, run_at timestamptz, run_after interval,
    retries int, retry jsonb, result_ttl interval, meta jsonb, blocked bool, out ids bigint[], out due timestamptz
)
language plpgsql as $$
#variable_conflict use_variable
begin
    due := check_enqueue(task, queue, priority, run_at, run_after, retries, retry, result_ttl);
    -- ordinality is not needed: a set-returning function in FROM keeps the order of the array.
    with inserted as (
        insert into job (run_at, created_at, state, priority, max_attempts, queue, task, args, retry, result_ttl, meta)
        select due, clock_timestamp(), case when blocked then 'blocked' else state_at(due) end, priority, coalesce(retries, 3) + 1, queue, task,
               case when jsonb_typeof(given) = 'object' and pg_column_size(given) <= 2000 then given else check_args(given) end,
               retry, result_ttl, meta
          from unnest(args) as given
        returning id
    )
    select coalesce(array_agg(id), '{}') into ids from inserted;
end $$;
