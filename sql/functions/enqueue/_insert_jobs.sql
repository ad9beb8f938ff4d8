-- insert_jobs: adds one job per element of args, all with the same options, in one statement. Returns their ids in that order.
-- Called by: enqueue_many, enqueue_select. Writes: job, turn.
create function insert_jobs(
    task text, args jsonb[], queue text, priority int, run_at timestamptz, run_after interval,
    retries int, stored stored_options, given limiting, blocked bool, out ids bigint[], out due timestamptz
)
language plpgsql as $$
#variable_conflict use_variable
declare
    added_at  timestamptz;
    its_state job_state;
    largest   int;
begin
    due := check_enqueue(task, queue, priority, run_at, run_after, retries, stored);
    if stored.terms is not null or stored.expires_at is not null then
        stored := with_ends(stored, due);
    end if;
    if not (given is null) then
        ids := insert_limited_jobs(task, args, queue, priority, due, retries, stored, given, blocked);
        return;
    end if;
    its_state := case when blocked then 'blocked' else state_at(due) end;
    added_at := clock_timestamp();  -- not before it is due, unless it was given a time
    -- The fields of `stored` by name: stored.* takes it apart for each row, which costs as much as measuring the arguments.
    -- ordinality is not needed: a set-returning function in FROM keeps the order of the array.
    with inserted as (
        insert into new_job
        select stored.retry, stored.result_ttl, stored.meta, stored.terms, stored.expires_at, stored.deadline_at,
               due, added_at, its_state, priority, coalesce(retries, 3) + 1, queue, task,
               case when jsonb_typeof(one) = 'object' then one else check_args(one) end, large_bytes(one)
          from unnest(args) as one
        returning id, args_bytes
    )
    select coalesce(array_agg(id), '{}'), max(args_bytes) into ids, largest from inserted;
    if largest is not null then
        perform check_args(one) from unnest(args) as one;
    end if;
end $$;

-- insert_limited_jobs: the same for jobs with limits; each lane takes one turn. Called by: insert_jobs. Writes: job, turn.
create function insert_limited_jobs(
    task text, args jsonb[], queue text, priority int, due timestamptz,
    retries int, stored stored_options, given limiting, blocked bool
) returns bigint[]
language plpgsql as $$
#variable_conflict use_variable
declare
    its_state job_state := case when blocked then 'blocked' else state_at(due) end;
    same      bool := position('{' in concat(given.fair, array_to_string(given.limits, ''))) = 0;  -- no argument stands in them
    keys      text[];
    ids       bigint[];
begin
    perform check_limits(given);
    if same then
        keys := limit_keys(given, '{}');
    end if;
    with inserted as (
        insert into new_job overriding system value
        select stored.*, due, clock_timestamp(), its_state, priority, coalesce(retries, 3) + 1, queue, task,
               case when jsonb_typeof(one) = 'object' and bytes is null then one else check_args(one) end, bytes,
               nextval('job_id_seq'), null, l.keys, lane_of(queue, l.keys), nullif(given.cost, 1)
          from unnest(args) as one,
               lateral (select case when same then keys else limit_keys(given, one) end as keys, large_bytes(one) as bytes
                        offset 0) l
        returning id, lane_id, limits
    ), turns as materialized (
        select take_turn(queue, lane_id, limits, due)
          from (select distinct lane_id, limits from inserted) l where its_state = 'ready'
    )
    select coalesce(array_agg(id), '{}') into ids from inserted where (select count(*) from turns) >= 0;
    return ids;
end $$;
