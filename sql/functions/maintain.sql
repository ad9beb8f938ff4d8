-- maintain: makes the history partitions of the coming week, drops those past retention, prunes what has expired, repairs workflows.
-- Called by: every worker, about once a minute; migrate. The only DDL at run time.
-- Writes: job_history (partitions), job_result, rescue_log, worker; see tidy_lanes. Locks: an advisory lock of this install, so one runs at a time;
-- dropping waits at most 50 ms for a partition and leaves it to the next call.
-- Returns false when another worker is at it.
create function maintain() returns bool
language plpgsql security definer set search_path from current set lock_timeout = '50ms' as $$
declare
    keep_days int := (select history_days from setting);
    mended    int;
begin
    if not pg_try_advisory_xact_lock(hashtext('pgqueue maintain'), hashtext(current_schema())) then
        return false;
    end if;
    for ahead in 0..7 loop
        perform make_partition((clock_timestamp() at time zone 'UTC')::date + ahead);
    end loop;
    begin
        perform prune(keep_days);
    exception when lock_not_available then null;  -- somebody holds a row: the next call tries again, the partitions stay
    end;
    begin  -- by itself: nothing that is held here undoes the pruning
        perform cancel_workflow(id)
           from (select id from workflow where cancelled_at is not null and finished_at is null order by id
                    for no key update skip locked) w;
    exception when lock_not_available then null;
    end;
    mended := repair_workflows(100000);
    if mended > 0 then
        raise warning '% workflows did not agree with their jobs and were repaired; see workflow.repairs', mended;
    end if;
    -- Last, because it locks the whole history until the end of the transaction.
    perform drop_partitions((clock_timestamp() at time zone 'UTC')::date - keep_days);
    return true;
end $$;

-- prune: deletes what has expired outside the partitions. Called by: maintain.
create function prune(keep_days int) returns void
language plpgsql as $$
begin
    delete from job_history_default where finished_at < (select clock_timestamp()) - make_interval(days => keep_days + 1);
    -- The clock as a subselect: bare it is volatile, and no index finds by it.
    -- So many a minute that a call stays short whatever has piled up.
    -- SKIP LOCKED: a result that is being kept for longer, or a key that is being taken again, would else be waited for and
    -- then deleted all the same.
    -- What a node returned stays until its workflow has finished: its children have not all read it. Of one that has failed it stays
    -- as long as the workflow: a dead letter that is retried reads it, and so does what was skipped below.
    delete from job_result where job_id in (
        select job_id from job_result r
         where expires_at < (select clock_timestamp())
           and not exists (select from workflow_node n join workflow w on w.id = n.workflow_id
                            where n.job_id = r.job_id and (w.finished_at is null or w.outcome = 'failed'))
         order by expires_at limit 50000 for update of r skip locked);
    delete from unique_hold where unique_key in (
        select unique_key from unique_hold where expires_at < (select clock_timestamp()) order by expires_at limit 50000
           for update skip locked);
    delete from rescue_log where rescued_at < (select clock_timestamp()) - make_interval(days => keep_days);
    perform prune_workflows(keep_days);
    perform tidy_lanes();
    delete from worker where state = 'lost' and heartbeat_at < (select clock_timestamp()) - interval '1 day';
end $$;

-- prune_workflows: deletes workflows whole, some time after they have finished; one with a dead letter stays as long as that, which
-- may be retried. So many nodes a call that it stays short, whatever has piled up, and always one workflow, however large.
-- Called by: prune. Writes: workflow, and by its keys workflow_node and workflow_edge.
create function prune_workflows(keep_days int) returns void
language sql as $$
    delete from workflow where id in (
        select id
          from (select id, sum(nodes) over (order by finished_at, id) - nodes as before
                  from (select w.id, w.nodes, w.finished_at from workflow w
                         where w.finished_at < (select clock_timestamp()) - make_interval(days => keep_days)
                           and not exists (select from workflow_node n join dead_letter d on d.id = n.job_id where n.workflow_id = w.id)
                         order by w.finished_at limit 1000 for update skip locked) old) counted
         where before < 20000)
$$;
