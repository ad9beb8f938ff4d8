-- retry: runs a job again; one that was over has all its attempts again.
-- Called by: applications, operators. Writes: job, dead_letter, audit_log. Locks: the row of the job; a unique key, see
-- insert_unique; the workflow of a node; the keys of what was skipped below it, see restore_skipped.
--   scheduled              does not wait any longer; nor does a ready job whose limits wait for its retry (retry_blocks)
--   failed                 leaves the dead letters under its own id, its errors kept; what was skipped below a node waits again,
--                          and a node itself as long as a parent of it is not over, see revive
--   succeeded, cancelled   a new job with the same arguments and retry_of, outside any workflow; PQ004 for a node that was
--                          skipped or that takes results of its parents
--   blocked, ready, running  PQ004; PQ003 when there is no such job
-- by             who does it: kept with a dead letter that runs again
-- args           other arguments, all of them; a unique key made of all the arguments follows them, the limits stay
-- rules          the retry policies of tasks, by name: {"mail": {"retry": {…}, "max_attempts": 6}}; a job whose task is there
--                takes them in place of its own. NULL = each job keeps its own
-- keep_attempts  a dead letter keeps the number of its attempts: a failure after the last one is final again at once
-- run_after      when it runs; now by default
-- force          also a dead letter that has come back three times and failed each time, which else is refused (PQ004)
-- A job that waits takes run_after only: update changes it otherwise.
-- Returns the id of the job that will run, and whether it is another one (duplicate): a unique job whose key is held by another
-- live one stays where it is. Raises PQ001 for a bad value, 42501 for args of a caller that may not enqueue.
create function retry(
    job_id bigint, by text default null, args jsonb default null, rules jsonb default null, keep_attempts bool default false,
    run_after interval default null, force bool default false, out id bigint, out duplicate bool
)
language plpgsql security definer set search_path from current as $$
declare
    before jsonb := job_facts(job_id);
begin
    if args is not null then
        perform assert_may_enqueue('args');
    end if;
    select r.id, r.duplicate into retry.id, retry.duplicate
      from retry_job(job_id, by, args, rules, keep_attempts, run_after, force) r;
    perform audit('retry', 'job', job_id::text, by, null, before, jsonb_build_object(
        'id', retry.id, 'duplicate', nullif(retry.duplicate, false), 'args', args, 'rules', rules,
        'keep_attempts', nullif(keep_attempts, false), 'run_after', run_after, 'force', nullif(force, false)));
end $$;

-- retry_job: retry, without a line in the audit log. Called by: retry, do_job. Writes, locks, raises: see retry.
create function retry_job(
    job_id bigint, by text, args jsonb, rules jsonb, keep_attempts bool, run_after interval, force bool,
    out id bigint, out duplicate bool
)
language plpgsql as $$
declare
    flow bigint;
    due  timestamptz := check_enqueue('retry', 'default', 0, null, run_after, null, null);
begin
    perform check_rules(rules);
    select a.id, a.duplicate, a.flow into retry_job.id, retry_job.duplicate, flow
      from run_again(job_id, due, check_by(by), case when args is not null then check_args(args) end, rules,
                     coalesce(keep_attempts, false), coalesce(force, false)) a;
    if flow is not null then
        perform revive(flow, array[job_id]);
    end if;
end $$;

-- check_rules: refuses retry policies by task that could not be stored with a job. Called by: retry_job,
-- checked_spec. Writes: nothing.
create function check_rules(rules jsonb) returns void
language plpgsql as $$
declare
    its record;
begin
    if jsonb_typeof(rules) <> 'object' then
        perform invalid('rules', rules::text, 'give an object by task, for example {"mail": {"retry": null, "max_attempts": 4}}');
    end if;
    for its in select key, value from jsonb_each(coalesce(rules, '{}')) loop
        if jsonb_typeof(its.value) <> 'object' or ((its.value->'max_attempts')::text ~ '^[0-9]{1,5}$') is not true
           or (its.value->>'max_attempts')::int not between 1 and 32767 then
            perform invalid('rules', its.value::text, format(
                'give %s as {"retry": a policy or null, "max_attempts": 1 to 32767}', quote_literal(left(its.key, 200))));
        end if;
        perform check_retry(nullif(its.value->'retry', 'null'));
    end loop;
end $$;
