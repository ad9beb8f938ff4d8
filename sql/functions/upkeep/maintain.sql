-- maintain: makes the history partitions of the coming week, drops those past retention, prunes what has expired, repairs
-- workflows.
-- Called by: migrate, people; workers call maintain_if_due, which does the same. The only DDL at run time.
-- Writes, locks: see run_maintain. Returns false when another session is at it.
create function maintain() returns bool
language sql security definer set search_path from current as $$
    select done from run_maintain(true)
$$;

-- maintain_if_due: maintain, unless any worker of the install has done it recently: once a minute, sooner when something is left.
-- Called by: each worker, again after as many seconds as it returns. Writes: upkeep; see run_maintain.
-- Locks: the row of upkeep, SKIP LOCKED: no worker waits for another, and if one dies during it, it stays due. A stamp in the
-- future, after the clock was set back, counts as none.
create function maintain_if_due() returns float8
language plpgsql security definer set search_path from current as $$
declare
    began timestamptz := clock_timestamp();
    its   upkeep%rowtype;
    ran   record;
    whole bool;
    pause float8;
begin
    select * into its from upkeep where next_at <= began or done_at > began + interval '1 s' for update skip locked;
    if not found then
        return 60;
    end if;
    whole := its.whole_at not between began - interval '50 s' and began;
    ran := run_maintain(whole);
    -- Tries for a lock are spread at random, so that they do not meet a reader that comes at regular times again and again.
    pause := case when ran.more then 0.1 when ran.refused then 5 + 25 * random() else 60 end;
    update upkeep
       set done_at = clock_timestamp(), next_at = clock_timestamp() + make_interval(secs => least(pause, 50)),
           whole_at = case when whole then clock_timestamp() else whole_at end;
    return pause;
end $$;

-- run_maintain: one round of maintenance. whole: false leaves out what a round soon after another one need not do again.
-- Called by: maintain, maintain_if_due. Writes: job_history (partitions), dead_letter, job_result, rescue_log, discard_log,
-- schedule_tick, worker, worker_stacks; see prune_logs, prune_metrics, roll_up, tidy_lanes and repair_workflows.
-- Locks: a row of `lock`, so one runs at a time; partitions, see make_partition and drop_partitions.
--
-- done     false: another session is at it, and nothing was done
-- more     something has expired and was left to the next round, so that this one stays short
-- refused  a partition is still to be made, dropped or emptied: the history is being read
create function run_maintain(whole bool, out done bool, out more bool, out refused bool)
language plpgsql set lock_timeout = '50ms' as $$
declare
    keep_days  int := (select history_days from setting);
    today      date := (clock_timestamp() at time zone 'UTC')::date;
    first_kept date := today - keep_days;
    needed     bool := days_ahead(today) < 2;
    rolled     bool;
begin
    done := try_lock('maintain');
    more := false;
    refused := false;
    if not done then
        return;
    end if;
    if needed then  -- before anything that may fail
        refused := not make_partitions(today);
    end if;
    rolled := is_rolled_up(first_kept);
    begin
        more := not rolled or prune(keep_days);
    exception when lock_not_available then null;  -- a row is locked: the next call tries again, the partitions stay
    end;
    if whole then
        perform mend_workflows();
    end if;
    -- Last, because they keep readers of the whole history waiting until the end of the transaction.
    if not needed then
        refused := not make_partitions(today);
    end if;
    if rolled and not drop_partitions(first_kept) then
        refused := true;
        more := empty_partitions(first_kept) or more;
    end if;
end $$;

-- mend_workflows: finishes cancelled workflows, and repairs manual changes. Called by: run_maintain.
-- Writes: see end_workflow and repair_workflows.
create function mend_workflows() returns void
language plpgsql as $$
declare
    mended int;
begin
    begin  -- in its own block: a lock timeout here does not undo the pruning
        perform end_workflow(id)
           from (select id from workflow where cancelled_at is not null and finished_at is null order by id
                    for no key update skip locked) w;
        perform cancel_again(array(select j.id from job j where j.id = any (w.stopping) and j.state in ('scheduled', 'ready')
                                      for update skip locked))
           from workflow w where w.stopping <> '{}' and w.finished_at is null;
    exception
        when lock_not_available then null;
        when others then perform end_workflows_singly();  -- one of them is the reason
    end;
    mended := repair_workflows(100000);
    if mended > 0 then
        raise warning '% workflows did not agree with their jobs and were repaired; see workflow.repairs', mended;
    end if;
end $$;

-- end_workflows_singly: finishes cancelled workflows, each separately: one that raises an error stays with a warning, and neither
-- holds up the others nor undoes the round of maintenance. Called by: mend_workflows. Writes: see end_workflow.
create function end_workflows_singly() returns void
language plpgsql as $$
declare
    flow bigint;
begin
    for flow in select id from workflow where cancelled_at is not null and finished_at is null order by id
                   for no key update skip locked loop
        begin
            perform end_workflow(flow);
        exception
            when lock_not_available then null;
            when others then raise warning 'workflow % could not be finished: %', flow, sqlerrm;
        end;
    end loop;
end $$;

-- prune: deletes what has expired outside the partitions, in calls of a bounded number of rows, so that each stays short. Returns
-- whether there is more. Called by: run_maintain.
create function prune(keep_days int, most int default 50000) returns bool
-- Pinned: by a plan from when its tables were empty it would scan them for each of so many keys.
language plpgsql set enable_seqscan = off set jit = off as $$
declare
    gone    int;
    is_more bool;
begin
    -- The clock as a subselect: bare it is volatile, and no index finds by it.
    delete from job_history_default where ctid = any (array(
        select ctid from job_history_default
         where finished_at < (select clock_timestamp()) - make_interval(days => keep_days + 1) order by finished_at limit most));
    get diagnostics gone = row_count;
    is_more := gone = most;
    -- SKIP LOCKED: a result that is being kept for longer, or a key that is being taken again, would else be waited for and
    -- then deleted all the same.
    -- What a node returned stays until its workflow has finished: its children have not all read it. Of one that has failed it
    -- stays as long as the workflow: a dead letter that is retried reads it, and so does what was skipped below.
    delete from job_result where job_id = any (array(
        select job_id from job_result r
         where expires_at < (select clock_timestamp())
           and not exists (select from workflow_node n join workflow w on w.id = n.workflow_id
                            where n.job_id = r.job_id and (w.finished_at is null or w.outcome = 'failed'))
         order by expires_at limit most for update of r skip locked));
    get diagnostics gone = row_count;
    is_more := is_more or gone = most;
    delete from unique_hold where unique_key = any (array(
        select unique_key from unique_hold where expires_at < (select clock_timestamp()) order by expires_at limit most
           for update skip locked));
    get diagnostics gone = row_count;
    is_more := is_more or gone = most;
    delete from discard_log where ctid = any (array(
        select ctid from discard_log where discarded_at < (select clock_timestamp()) - make_interval(days => keep_days)
         order by discarded_at limit most for update skip locked));
    get diagnostics gone = row_count;
    is_more := is_more or gone = most;
    delete from rescue_log where rescued_at < (select clock_timestamp()) - make_interval(days => keep_days);
    delete from schedule_tick where ctid = any (array(
        select ctid from schedule_tick where fired_at < (select clock_timestamp()) - make_interval(days => keep_days)
         order by fired_at limit most for update skip locked));
    get diagnostics gone = row_count;
    is_more := is_more or gone = most;
    is_more := prune_dead(most) or is_more;
    is_more := prune_audit(most) or is_more;
    is_more := prune_workflows(keep_days) or is_more;
    if pg_relation_size('operation') > 0 then
        is_more := prune_operations(keep_days, most) or is_more;
    end if;
    is_more := prune_steps(keep_days) or is_more;
    is_more := prune_logs() or is_more;
    is_more := prune_requests(most) or is_more;
    is_more := prune_metrics(most) or is_more;
    if pg_relation_size('pool') > 0 or pg_relation_size('pool_event') > 0 then
        is_more := prune_pools(keep_days, most) or is_more;
    end if;
    perform tidy_lanes();
    delete from pause where until < (select clock_timestamp()) - interval '1 day';
    delete from worker_stacks where asked_at < (select clock_timestamp()) - interval '1 hour';
    delete from worker where state = 'lost' and heartbeat_at < (select clock_timestamp()) - interval '1 day';
    return is_more;
end $$;

-- prune_workflows: deletes workflows whole, some time after they have finished; one with a dead letter stays as long as that,
-- which may be retried. So many nodes a call that it stays short, whatever has piled up, and always one workflow, however large.
-- Returns whether there may be more. Called by: prune. Writes: workflow, and by its keys workflow_node and workflow_edge.
create function prune_workflows(keep_days int) returns bool
language sql as $$
    with gone as (
        delete from workflow where id = any (array(
            select id
              from (select id, sum(nodes) over (order by finished_at, id) - nodes as before
                      from (select w.id, w.nodes, w.finished_at from workflow w
                             where w.finished_at < (select clock_timestamp()) - make_interval(days => keep_days)
                               and not exists (select from workflow_node n join dead_letter d on d.id = n.job_id
                                                where n.workflow_id = w.id)
                             order by w.finished_at limit 1000 for update skip locked) old) counted
             where before < 20000))
        returning nodes
    )
    select coalesce(sum(nodes) >= 20000 or count(*) = 1000, false) from gone
$$;

-- prune_operations: deletes what cancelled operations have left to do, and operations some time after their end. Returns whether
-- there may be more. Called by: prune. Writes: operation, operation_job.
create function prune_operations(keep_days int, most int) returns bool
language plpgsql set enable_seqscan = off set jit = off as $$
declare
    gone int;
begin
    delete from operation_job where ctid = any (array(
        select m.ctid
          from operation o, lateral (select ctid from operation_job where operation_id = o.id limit most) m
         where o.finished_at is not null and o.state = 'cancelled' limit most));
    get diagnostics gone = row_count;
    delete from operation where id = any (array(
        select id from operation o
         where o.finished_at < (select clock_timestamp()) - make_interval(days => keep_days)
           and not exists (select from operation_job m where m.operation_id = o.id)
         order by o.finished_at limit most for update skip locked));
    return gone = most;
end $$;
