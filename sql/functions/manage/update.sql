-- update: changes a job that has not started; NULL leaves a value as it is.
-- Called by: applications, operators. Writes: job, audit_log. Locks: the workflow of a node, then the job row; waits for a claim
-- in progress. It keeps the limits that it has, whatever the arguments say. What counts from run_at moves with it: expires_after,
-- total_timeout. queue: where it waits from now on, also if that one is full; its limits are those of the new queue then.
-- Raises PQ001 for a bad value, PQ003 for an unknown job and PQ004 for one that runs or is over. PQ004 also when
-- another unique job has the new arguments already: a key made of all the arguments follows them, one that was given stays.
-- Raises 42501 for args of a caller that may not enqueue.
create function update(
    job_id bigint, args jsonb default null, priority int default null, run_at timestamptz default null,
    run_after interval default null, by text default null, queue text default null
) returns void
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    before jsonb := update_facts(job_id, args is not null, priority is not null, run_at is not null or run_after is not null);
begin
    if args is not null then
        perform assert_may_enqueue('args');
    end if;
    perform update_job(job_id, args, priority, run_at, run_after, queue);
    perform audit('update', 'job', job_id::text, by, null, before,
                  update_facts(job_id, args is not null, priority is not null, run_at is not null or run_after is not null));
end $$;

-- update_facts: what update changes of a job, for the audit log. Called by: update. Writes: nothing. Locks: none.
create function update_facts(job_id bigint, its_args bool, its_priority bool, its_time bool) returns jsonb
language sql stable set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
    select jsonb_build_object('queue', queue, 'task', task, 'args', case when its_args then args end,
                              'priority', case when its_priority then priority end,
                              'run_at', case when its_time then in_utc(run_at) end)
      from job where id = job_id
$$;

-- update_job: update, without a line in the audit log. Called by: update, do_job. Writes, locks, raises: see update.
create function update_job(
    job_id bigint, args jsonb, priority int, run_at timestamptz, run_after interval, queue text
) returns void
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_variable
declare
    due   timestamptz := check_enqueue('update', coalesce(queue, 'default'), coalesce(priority, 0), run_at, run_after, null,
                                       null);
    timed bool := run_at is not null or run_after is not null;
    its   record;
begin
    -- A blocked job belongs to the holder of its workflow, because its parents may be ending; and a cancel of one that is ready
    -- holds the workflow while it waits for the row.
    perform lock_workflows(array[job_id]);
    update job j
       set args = case when args is null then j.args else check_args(args) end,
           args_bytes = case when args is null then j.args_bytes else large_bytes(args) end,
           unique_key = case when args is not null and j.unique_key = unique_digest(j.task, j.args, null)
                             then unique_digest(j.task, args, null) else j.unique_key end,
           priority = coalesce(priority, j.priority), queue = coalesce(queue, j.queue),
           lane_id = case when queue is null or j.lane_id is null then j.lane_id
                          when j.lane_id = lane_of(j.queue, j.limits) then lane_of(queue, j.limits)
                          else lane_of(queue, j.limits || ' suspect'::text) end,  -- see rescue_job
           expires_at = case when timed and j.terms ? 'expires_after' then end_of(j.terms, 'expires_after', due)
                             else j.expires_at end,
           deadline_at = case when timed then end_of(j.terms, 'total_timeout', due) else j.deadline_at end,
           run_at = case when timed then due else j.run_at end, put_off_at = case when not timed then j.put_off_at end,
           state = case when timed and j.state <> 'blocked' then state_at(due) else j.state end
     where j.id = job_id and j.state in ('blocked', 'scheduled', 'ready')
    returning j.queue, j.run_at, j.lane_id into its;
    if not found then
        perform refuse(job_id, 'only a job that has not started can be changed');
    end if;
    perform wake_for(its.queue, its.run_at);
    if its.lane_id is not null then
        perform take_turns(array[job_id]);
    end if;
exception when unique_violation then
    raise exception 'job_id: job % cannot have these arguments, another live job has them; it is unique', job_id
        using errcode = 'PQ004';
end $$;
