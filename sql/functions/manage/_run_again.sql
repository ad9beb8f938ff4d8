-- run_again: makes a job of one that waits for its time, has failed or is over, see retry, without what hangs on it.
-- Called by: retry, retry_workflow. Writes, locks, raises: see retry, but for the workflow.
-- flow: NULL, or the workflow whose node that dead letter is: the caller revives it.
create function run_again(job_id bigint, out id bigint, out duplicate bool, out flow bigint)
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_column
declare
    again     bigint;
    its_queue text;
    its_key   bytea;
    over      job_state;
begin
    update job set state = 'ready', run_at = clock_timestamp(),  -- what counts from run_at moves with it, as in update
                   expires_at = case when terms ? 'expires_after' then end_of(terms, 'expires_after', clock_timestamp())
                                     else expires_at end,
                   deadline_at = end_of(terms, 'total_timeout', clock_timestamp())
     where id = job_id and state = 'scheduled'
    returning id, queue into again, its_queue;
    if again is null and end_blocking(job_id) then
        run_again.id := job_id;
        duplicate := false;
        return;
    end if;

    while again is null loop
        perform from dead_letter where id = job_id for update;  -- two retries of one dead letter: the second finds it gone
        if not found then
            perform refuse_orphan(job_id);
        end if;
        insert into job overriding system value
        select j.*
          from (select to_jsonb(d) as kept, queue, limits, terms from dead_letter d where id = job_id
                union all
                select to_jsonb(h) || jsonb_build_object(
                           'id', nextval('job_id_seq'), 'created_at', clock_timestamp(), 'retry_of', id,
                           'workflow_id', null, 'errors', null, 'terms', terms - 'soft_timed_out',
                           'control', null), queue, limits, terms
                  from job_history h where id = job_id) over,
               lateral jsonb_populate_record(null::job, kept || jsonb_build_object(
                   'state', 'ready', 'run_at', clock_timestamp(), 'claimed_at', null, 'worker_id', null,
                   'attempt', 0, 'rescues', 0, 'lane_id', lane_of(queue, limits),
                   'control', nullif(nullif(kept->'control', 'null') - array['cancel', 'interrupted'], '{}'),
                   'expires_at', end_of(terms, 'expires_after', clock_timestamp()),
                   'deadline_at', end_of(terms, 'total_timeout', clock_timestamp()))) j
        on conflict (unique_key) where unique_key is not null do nothing
        returning id, queue into again, its_queue;
        exit when again is not null;

        select state, unique_key into over, its_key from dead_letter where id = job_id
        union all
        select state, unique_key from job_history where id = job_id;
        if over is null then
            perform refuse(job_id, 'only a job that waits for its time or is over can be retried');
        end if;
        select id into again from job where unique_key = its_key;
        if again is not null then
            run_again.id := again;
            duplicate := true;
            return;
        end if;
    end loop;
    perform wait_anew(job_id);
    delete from dead_letter where id = job_id returning workflow_id into flow;
    perform wake(its_queue);
    perform take_turns(array[again]);
    run_again.id := again;
    duplicate := false;
end $$;

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
