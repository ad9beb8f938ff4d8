-- run_again: makes a job of one that waits for its time, has failed or is over, see retry, without what hangs on it.
-- Called by: retry_job, retry_workflow. Writes, locks, raises: see retry, but for the workflow.
-- due: when it runs. Its arguments and rules were checked.
-- flow: NULL, or the workflow whose node that dead letter is: the caller revives it.
create function run_again(
    job_id bigint, due timestamptz, by text, args jsonb, rules jsonb, keep_attempts bool, force bool,
    out id bigint, out duplicate bool, out flow bigint
)
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_column
declare
    again     bigint;
    its_queue text;
    its_key   bytea;
    over      job_state;
    ends      job_end[];
begin
    if coalesce(run_again.args, rules) is null and not keep_attempts then
        update job set state = state_at(due), run_at = due,  -- what counts from run_at moves with it, as in update
                       expires_at = case when terms ? 'expires_after' then end_of(terms, 'expires_after', due)
                                         else expires_at end,
                       deadline_at = end_of(terms, 'total_timeout', due)
         where id = job_id and state = 'scheduled'
        returning id, queue into again, its_queue;
        if again is null and end_blocking(job_id) then
            run_again.id := job_id;
            duplicate := false;
            return;
        end if;
    end if;

    while again is null loop
        if not hold_dead(job_id, force) then
            perform refuse_orphan(job_id);
        end if;
        insert into job overriding system value
        select j.*
          from (select to_jsonb(d) || jsonb_build_object(
                           'attempt', case when keep_attempts then least(attempt, 32766) else 0 end,
                           'terms', case when keep_attempts then terms else terms_after(terms, attempt) end,
                           'control', control_of_retry(control, by)
                               || case when keep_attempts then jsonb_build_object('counted', attempt) else '{}' end) as kept,
                       task, args, unique_key, queue, limits, terms from dead_letter d where id = job_id
                union all
                select to_jsonb(h) || jsonb_build_object(
                           'id', nextval('job_id_seq'), 'created_at', clock_timestamp(), 'retry_of', id,
                           'workflow_id', null, 'errors', null,
                           'terms', nullif(terms - '{soft_timed_out,attempts_before}'::text[], '{}'),
                           'attempt', 0, 'control', null), task, args, unique_key, queue, limits, terms
                  from job_history h where id = job_id) over,
               lateral jsonb_populate_record(null::job, kept || jsonb_build_object(
                   'state', state_at(due), 'run_at', due, 'claimed_at', null, 'worker_id', null,
                   'rescues', 0, 'lane_id', lane_of(queue, limits),
                   'args_bytes', large_bytes(coalesce(run_again.args, args)),
                   'expires_at', end_of(terms, 'expires_after', due),
                   'deadline_at', end_of(terms, 'total_timeout', due))
                   || changes_of_retry(task, args, unique_key, run_again.args, rules)) j
        on conflict (unique_key) where unique_key is not null do nothing
        returning id, queue into again, its_queue;
        exit when again is not null;

        select state, changed_key(task, args, unique_key, run_again.args) into over, its_key from dead_letter where id = job_id
        union all
        select state, changed_key(task, args, unique_key, run_again.args) from job_history where id = job_id;
        if over is null then
            perform refuse(job_id, 'only a job that waits for its time or is over can be retried'
                                   || case when coalesce(run_again.args, rules) is not null or keep_attempts
                                           then '; update changes one that waits' else '' end);
        end if;
        select id into again from job where unique_key = its_key;
        if again is not null then
            run_again.id := again;
            duplicate := true;
            return;
        end if;
    end loop;
    perform wait_anew(job_id);
    with gone as (
        delete from dead_letter d where d.id = job_id returning d.*
    )
    select g.workflow_id, array[row(g.finished_at, g.queue, g.task, g.state, g.priority, g.attempt, g.elapsed, g.run_at,
                                    g.created_at, g.claimed_at, g.control)::job_end] into flow, ends from gone g;
    if ends is not null then
        perform note_gone(ends);
    end if;
    perform wake_for(its_queue, due);
    perform take_turns(array[again]) from job where id = again and lane_id is not null;
    run_again.id := again;
    duplicate := false;
end $$;

-- hold_dead: locks a dead letter; of two retries of it the second finds it gone. Returns whether there is one.
-- Called by: run_again. Writes: nothing.
-- Raises PQ004 for one that has come back three times, unless it is forced: what failed so often will not heal by itself.
create function hold_dead(job_id bigint, force bool) returns bool
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_column
declare
    retried int;
begin
    select coalesce((control->>'retried')::int, 0) into retried from dead_letter where id = job_id for update;
    if retried >= 3 and not force then
        raise exception 'job_id: job % has come back from the dead letters % times and failed again; mend what '
            'makes it fail, then retry it with force', job_id, retried using errcode = 'PQ004';
    end if;
    return retried is not null;
end $$;

-- terms_after: the terms of a job whose attempts begin again: how many there were before. Called by: run_again. Writes: nothing.
create function terms_after(terms jsonb, attempt smallint) returns jsonb
language sql immutable as $$
    select case when attempt = 0 then terms
                else coalesce(terms, '{}') || jsonb_build_object('attempts_before', attempt_number(attempt, terms)) end
$$;

-- control_of_retry: what a dead letter keeps of job.control when it runs again. Called by: run_again. Writes: nothing.
create function control_of_retry(control jsonb, by text) returns jsonb
language sql immutable as $$
    select coalesce(control, '{}') - '{cancel,interrupted,killed,waits_for,counted}'::text[]
           || jsonb_build_object('retried', coalesce((control->>'retried')::int, 0) + 1, 'retried_by', by)
$$;

-- changes_of_retry: the columns of a job that other arguments, and the rules of its task, replace. Called by: run_again.
-- Writes: nothing.
create function changes_of_retry(task text, args jsonb, unique_key bytea, new_args jsonb, rules jsonb) returns jsonb
language sql stable as $$
    select case when new_args is null then '{}'
                else jsonb_build_object('args', new_args, 'unique_key', changed_key(task, args, unique_key, new_args)) end
        || case when rules ? task
                then jsonb_build_object('retry', rules->task->'retry', 'max_attempts', rules->task->'max_attempts')
                else '{}' end
$$;

-- changed_key: the unique key of a job with other arguments: one made of all of them follows them, one that was given stays.
-- Called by: run_again, changes_of_retry. Writes: nothing.
create function changed_key(task text, args jsonb, unique_key bytea, new_args jsonb) returns bytea
language sql stable as $$
    select case when new_args is not null and unique_key = unique_digest(task, args, null)
                then unique_digest(task, new_args, null) else unique_key end
$$;

-- refuse_orphan: raises PQ004 for a node that is over and that cannot run outside its workflow: it was skipped, so what it waited
-- for has not ended as it must, or it takes results of its parents, which another job does not get. Called by: run_again. Writes:
-- nothing.
create function refuse_orphan(job_id bigint) returns void
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_column
declare
    why text;
begin
    select case when reason = 'dependency_failed' then 'was skipped'
                when n.takes is not null then 'takes the results of its parents' end
      into why
      from job_history h left join workflow_node n on n.job_id = h.id where h.id = refuse_orphan.job_id;
    if why is not null then
        raise exception 'job_id: job % %; retry the job that failed above it, or the workflow', refuse_orphan.job_id, why
            using errcode = 'PQ004';
    end if;
end $$;

-- end_blocking: a ready job that waits for its retry because its limits say retry_blocks does not wait any longer: opens their
-- keys.
-- Returns whether there were some; false for any other job. Called by: run_again. Writes: parking; see open_limit.
create function end_blocking(job_id bigint) returns bool
language plpgsql as $$
declare
    keys text[];
begin
    with gone as (  -- a key that is parked for longer stays parked
        delete from parking p using job j
         where j.id = end_blocking.job_id and j.state = 'ready' and p.key = any (keys_to_park(j.limits, j.queue, false, null))
           and p.until > clock_timestamp() and p.until <= (j.errors->-1->>'retry_at')::timestamptz
        returning p.key
    )
    select array_agg(distinct key) into keys from gone;
    perform open_limit(key) from unnest(keys) as k(key);
    return keys is not null;
end $$;
