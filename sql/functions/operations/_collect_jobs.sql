-- collect_jobs: finds some more jobs of an operation and notes them; of a dry run it counts them. Called by: start_operation,
-- take_step, which hold the operation. Writes: operation, operation_job. Locks no job. Returns the operation as it is
-- now.
create function collect_jobs(its operation, most int) returns operation
language plpgsql as $$
declare
    found_jobs record := find_ids(its.filter, its.collected_to, its.upto_id, most);
    more       int := cardinality(found_jobs.ids);
    wanted     text[] := wanted_states(its);
    is_forced  bool := (its.spec->>'force')::bool;
begin
    if its.dry_run then
        its := count_outcomes(its, array(
            select foreseen_outcome(its.kind, is_forced, wanted, s.id, s.state) from states_of(found_jobs.ids) s));
    elsif more > 0 then
        insert into operation_job (operation_id, job_id) select its.id, u.id from unnest(found_jobs.ids) as u(id) order by u.id;
    end if;
    its.matched := its.matched + more;
    its.collected_to := greatest(found_jobs.looked_to, its.collected_to);
    its.next_at := clock_timestamp();  -- others have their turn
    if found_jobs.is_over then
        its.started_at := clock_timestamp();
        its.state := case when its.dry_run or its.matched = 0 then 'done' else 'running' end;
    end if;
    return save_operation(its);
end $$;

-- states_of: the state of each of these jobs, wherever it is; gone = nowhere; failed again = failed, but not before dead_by.
-- Called by: collect_jobs, do_group. Writes: nothing. One statement: a job that is being moved is seen in one place.
create function states_of(ids bigint[], dead_by timestamptz default null) returns table (id bigint, state text)
language sql stable set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
    select u.id, coalesce(
               (select j.state::text from job j where j.id = u.id),
               (select case when d.finished_at >= dead_by then 'failed again' else d.state::text end
                  from dead_letter d where d.id = u.id),
               (select h.state::text from job_history h where h.id = u.id limit 1), 'gone')
      from unnest(ids) as u(id) order by u.id
$$;

-- wanted_states: the states in which an operation acts on a job: those of its filter, if that names some. A job that has left
-- them since it was found is left alone. Called by: do_group, collect_jobs. Writes: nothing.
create function wanted_states(its operation) returns text[]
language sql immutable as $$
    select case when its.filter ? 'state' then array(select jsonb_array_elements_text(its.filter->'state'))
                else states_of_kind(its.kind) end
$$;

-- foreseen_outcome: what an operation that acts on jobs in the wanted states makes of one in this state, as far as that tells.
-- Called by: collect_jobs, do_group. Writes: nothing. It takes no operation: that may have a filter of a million bytes.
create function foreseen_outcome(kind text, is_forced bool, wanted text[], job_id bigint, state text) returns job_outcome
language sql immutable as $$
    select row(job_id, case when not acts then null
                            when kind <> 'cancel' then
                                case kind when 'retry' then 'retried' when 'discard' then 'discarded' else 'updated' end
                            when state <> 'running' then 'cancelled'
                            when is_forced then 'fenced' else 'asked' end,
               case when not acts then case when state = 'failed again' then 'has ' else 'is ' end || state end, null,
               false)::job_outcome
      from (select state = any (wanted) as acts) a
$$;

-- count_outcomes: an operation with these outcomes added to its counts. Called by: collect_jobs, do_chunk. Writes: nothing.
create function count_outcomes(its operation, outcomes job_outcome[]) returns operation
language plpgsql as $$
begin
    its.did := with_counts(its.did, array(select did from unnest(outcomes) where did is not null));
    its.skipped := with_counts(its.skipped, array(select skipped from unnest(outcomes) where skipped is not null));
    if not exists (select from unnest(outcomes) where error is not null) then
        return its;
    end if;
    its.failed := its.failed + (select count(*) from unnest(outcomes) where error is not null);
    its.errors := jsonb_path_query_array(its.errors || array_to_json(array(
        select jsonb_build_object('job_id', job_id, 'message', left(error, 500)) from unnest(outcomes)
         where error is not null order by job_id desc limit 10))::jsonb, '$[last - 9 to last]');
    return its;
end $$;

-- with_counts: counts by key, with these keys counted too. Called by: count_outcomes, next_pass. Writes: nothing. The texts are
-- ours and few; as errors of the database could be many, those beyond 20 are counted as one.
create function with_counts(counts jsonb, keys text[]) returns jsonb
language sql stable as $$
    select coalesce(jsonb_object_agg(key, n), '{}')
      from (select case when counts ? key or place <= 20 then key else 'other reasons' end as key, sum(n)::int as n
              from (select key, n, dense_rank() over (order by key) as place
                      from (select key, value::int as n from jsonb_each_text(counts)
                            union all
                            select k, 1 from unnest(keys) as u(k)) every_key) ranked
             group by 1) summed
$$;

-- save_operation: stores what has become of an operation. Called by: collect_jobs, do_chunk, take_step, cancel_operation, which
-- hold it. Writes: operation.
create function save_operation(its operation) returns operation
language plpgsql as $$
begin
    if its.state in ('done', 'cancelled') then
        its.finished_at := clock_timestamp();
        perform audit_end(its);
    end if;
    update operation o
       set (state, collected_to, done_to, held_since, matched, did, skipped, failed, errors, started_at, finished_at,
            cancelled_by, next_at)
         = (its.state, its.collected_to, its.done_to, its.held_since, its.matched, its.did, its.skipped, its.failed, its.errors,
            its.started_at, its.finished_at, its.cancelled_by, its.next_at)
     where o.id = its.id;
    return its;
end $$;

-- audit_end: keeps on how many jobs an operation has acted, whoever took its last step. Called by: save_operation.
-- Writes: audit_log.
create function audit_end(its operation) returns void
language plpgsql as $$
begin
    if not its.dry_run then
        perform audit('finish', 'operation', its.id::text, its.asked_by, its.reason, null, jsonb_build_object(
            'kind', its.kind, 'state', its.state, 'did', its.did, 'skipped', its.skipped, 'failed', nullif(its.failed, 0)),
            null, coalesce((select sum(value::int) from jsonb_each_text(its.did))::int, 0));
    end if;
end $$;
