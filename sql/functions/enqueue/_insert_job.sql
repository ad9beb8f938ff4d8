-- insert_job: adds one job, or finds the one that stands in its way. Returns its id, whether it was there before, and when it is
-- due: NULL when nothing was changed.
-- Called by: enqueue, enqueue_many, enqueue_select, insert_nodes, which wake the workers. blocked: it has parents to wait for.
-- Writes: job, unique_hold, turn.
-- Locks: nothing shared unless the job is unique, see insert_unique.
create function insert_job(
    task text, args jsonb, queue text, priority int, run_at timestamptz, run_after interval,
    retries int, retry jsonb, result_ttl interval, meta jsonb, unique_mode text, unique_key text, unique_period interval,
    given limiting, workflow_id bigint, blocked bool, out id bigint, out duplicate bool, out due timestamptz
)
language plpgsql as $$
#variable_conflict use_variable
declare
    new job%rowtype;
begin
    due := check_enqueue(task, queue, priority, run_at, run_after, retries, retry, result_ttl);
    if jsonb_typeof(args) is distinct from 'object' or pg_column_size(args) > 2000 then
        perform check_args(args);
    end if;
    id := nextval('job_id_seq');
    duplicate := false;
    new.id := id;
    new.run_at := due;
    new.created_at := clock_timestamp();
    new.workflow_id := workflow_id;
    new.state := case when blocked then 'blocked' else state_at(due) end;
    new.priority := priority;
    new.attempt := 0;
    new.max_attempts := coalesce(retries, 3) + 1;
    new.rescues := 0;
    new.queue := queue;
    new.task := task;
    new.args := args;
    new.retry := retry;
    new.result_ttl := result_ttl;
    new.meta := meta;
    if not (given is null) then
        perform check_limits(given);
        new.limits := limit_keys(given, args);
        new.lane_id := lane_of(queue, new.limits);
        new.cost := nullif(given.cost, 1);
    end if;
    if blocked and unique_mode = 'replace' then
        perform invalid('unique_mode', unique_mode, 'a job that waits for others cannot replace one; use until_started');
    end if;
    if unique_mode is null and unique_key is null and unique_period is null then
        insert into job overriding system value values (new.*);
    else
        select u.id, u.duplicate, u.due into id, duplicate, due from insert_unique(new, unique_mode, unique_key, unique_period) u;
    end if;
    if new.lane_id is not null and new.state = 'ready' and due is not null then
        if duplicate then  -- that job has its own queue
            perform take_turns(array[id]);
        else
            perform take_turn(queue, new.lane_id, new.limits, due);
        end if;
    end if;
end $$;
