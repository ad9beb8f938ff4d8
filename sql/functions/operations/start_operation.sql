-- start_operation: cancels, retries, discards or updates all jobs of a filter. The jobs are fixed when it starts: of those that
-- the filter finds later, none with a higher id, and none that ended later, belongs to it. A small operation (1,000 jobs) is done
-- within the call as far as 80 ms suffice; the rest is left to the workers, see carry_on_operations, which need nothing of the
-- caller. Called by: applications, operators. Writes: operation, operation_job, audit_log; see do_chunk. Locks: see do_chunk.
--
-- kind        cancel, retry, discard or update
-- filter      see check_filter; without a state it means those on which the verb can act (retry: dead letters)
-- spec        options of the verb, see checked_spec
-- by, reason  who, and why; kept with it; by: the database user by default
-- dry_run     count what would become of the jobs, and change nothing
-- per_second  the most jobs that it acts on in a second, over all workers
-- is_all      a filter that names nothing needs it
-- Raises PQ001 for a bad value, 42501 for args of a caller that may not enqueue.
create function start_operation(
    kind text, filter jsonb, spec jsonb default '{}', by text default null, reason text default null,
    dry_run bool default false, per_second float8 default null, is_all bool default false
) returns operation
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    began timestamptz := clock_timestamp();
    its   operation;
begin
    perform check_operation(kind, per_second);
    insert into operation (kind, filter, spec, asked_by, reason, dry_run, per_second, upto_id)
    values (kind, operation_filter(kind, filter, is_all, began), checked_spec(kind, spec), check_by(by),
            check_reason('reason', reason), coalesce(dry_run, false), per_second, (select last_value from job_id_seq))
    returning * into its;
    if not its.dry_run then
        perform audit('start_operation', 'operation', its.id::text, by, reason, null,
                      jsonb_build_object('kind', kind, 'per_second', per_second) || its.spec, its.filter);
    end if;
    while its.state = 'collecting' and its.matched <= 1000 and clock_timestamp() < began + interval '100 ms' loop
        its := collect_jobs(its, 1001 - its.matched);
    end loop;
    if its.state = 'running' and its.matched <= 1000 then
        its := do_chunk(its, 1000, interval '80 ms');
    end if;
    if its.finished_at is null then
        perform wake('!operation');
    end if;
    return its;
end $$;
