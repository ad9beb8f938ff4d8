-- do_chunk: acts on the next jobs of an operation, until so many are done or so much time is over; always on one. One that is
-- paced acts on no more than it may in a tenth of a second, and rests from the end of a step: in no second there are more than
-- asked for, whoever takes the steps.
-- Called by: start_operation, take_step, which hold the operation. Writes: operation, operation_job; see cancel, retry,
-- discard and update. Returns the operation as it is now.
-- Locks: the workflows of nodes and the rows of the jobs, all SKIP LOCKED; for keys that a retry takes it waits 20 ms, twice at
-- most. Nobody waits much longer than `budget` for what it holds. Jobs that are locked are left: when all others are done they
-- are tried once a second, and after a minute they are skipped.
create function do_chunk(its operation, most int, budget interval) returns operation
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set jit = off set lock_timeout = '20ms' as $$
declare
    ends_at  timestamptz := clock_timestamp() + budget;
    pace     float8 := case when its.per_second < 10 then its.per_second
                            else floor(its.per_second / 10) * floor(its.per_second / floor(its.per_second / 10)) end;
    outcomes job_outcome[] := '{}';
    members  bigint[];
    filter   jsonb := its.filter;
    its_last job_outcome[];
    size     int := 1;  -- of a group: as many as should take the rest of the time, because one statement acts on all of them
    its_start timestamptz;
    acted    int;
begin
    most := least(most, case when its.per_second is not null then greatest(floor(its.per_second / 10), 1) end);
    -- Its jobs are found. Each call for one of them takes a copy of it all, and a filter may have 100,000 ids.
    its.filter := jsonb_strip_nulls(jsonb_build_object('state', filter->'state', 'finished_before', filter->'finished_before'));
    loop
        members := array(select job_id from operation_job where operation_id = its.id and job_id > its.done_to
                          order by job_id limit least(size, most - cardinality(outcomes)));
        exit when members = '{}';
        its_start := clock_timestamp();
        its_last := do_group(its, members, ends_at);
        delete from operation_job
         where operation_id = its.id and job_id = any (array(select job_id from unnest(its_last) where not is_held));
        its.done_to := (select max(job_id) from unnest(its_last));
        outcomes := outcomes || its_last;
        exit when cardinality(outcomes) >= most or clock_timestamp() > ends_at;
        size := greatest(1, least(25, size * extract(epoch from ends_at - clock_timestamp())
                                      / extract(epoch from clock_timestamp() - its_start + interval '1 us')));
    end loop;
    its := count_outcomes(its, outcomes);
    acted := (select count(*) from unnest(outcomes) where did is not null);
    its.next_at := clock_timestamp() + coalesce(make_interval(secs => acted / pace), interval '0');
    if acted > 0 then
        its.held_since := null;
    end if;
    if not exists (select from operation_job where operation_id = its.id and job_id > its.done_to) then
        its := next_pass(its);
    end if;
    its.filter := filter;
    return save_operation(its);
end $$;

-- next_pass: an operation whose jobs were all looked at: it is done, or what was locked is tried again. Called by: do_chunk.
-- Writes: operation_job.
create function next_pass(its operation) returns operation
language plpgsql as $$
declare
    given_up int;
begin
    if its.held_since < clock_timestamp() - interval '1 minute' then
        delete from operation_job where operation_id = its.id;
        get diagnostics given_up = row_count;
        its.skipped := with_counts(its.skipped, array_fill('is locked by another transaction'::text, array[given_up]));
    end if;
    if exists (select from operation_job where operation_id = its.id) then
        its.done_to := 0;
        its.held_since := coalesce(its.held_since, clock_timestamp());
        its.next_at := greatest(its.next_at, clock_timestamp() + interval '1 second');
    else
        its.state := 'done';
    end if;
    return its;
end $$;

-- do_group: acts on a few jobs of an operation, in the order of their ids. Called by: do_chunk. Writes, locks: see there. All of
-- them in one subtransaction, because many would slow down every snapshot of the server; if one job raises an error, one by one.
-- Returns an outcome for each job, or, if time is over, for the first ones.
create function do_group(its operation, members bigint[], ends_at timestamptz) returns job_outcome[]
language plpgsql as $$
declare
    wanted   text[] := wanted_states(its);
    dead_by  timestamptz := its.filter->>'finished_before';
    held     bigint[] := lock_members(members, wanted, dead_by);
    done     job_outcome[] := '{}';
    last_id  bigint;
begin
    begin
        done := cancel_plain(its, held);
        last_id := held[cardinality(held)];
        if done is null then
            done := '{}';
            foreach last_id in array held loop
                done := done || do_job(its, last_id);
                exit when clock_timestamp() > ends_at;
            end loop;
        end if;
    exception when others then
        done := '{}';  -- it was undone
        foreach last_id in array held loop
            done := done || try_one(its, last_id);
            exit when clock_timestamp() > ends_at;
        end loop;
    end;
    if held @> members then
        return done;
    end if;
    return done || array(
        select case when s.state = any (wanted) then row(s.id, null, null, null, true)::job_outcome
                    else foreseen_outcome(its.kind, false, wanted, s.id, s.state) end
          from states_of(array(select unnest(members) except select unnest(held)), dead_by) s
         where s.id < last_id or last_id is not distinct from held[cardinality(held)]);
end $$;

-- lock_members: locks those of these jobs that are in these states and that nobody else has locked, a node with its workflow.
-- Returns them in order. Not a dead letter that has come back and failed again, not before dead_by: the operation has found
-- another one. Called by: do_group.
-- Locks: workflows and job rows, SKIP LOCKED. Of a job that is in the history nothing is locked: it
-- never changes.
create function lock_members(members bigint[], states text[], dead_by timestamptz) returns bigint[]
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
declare
    flows bigint[] := array(
        select w.id from workflow w
         where w.id = any (array(select j.workflow_id from job j where j.id = any (members) and j.workflow_id is not null
                                 union
                                 select d.workflow_id from dead_letter d
                                  where d.id = any (members) and d.workflow_id is not null))
         order by w.id for no key update skip locked);
    free  bigint[] := array(
        select j.id from job j
         where j.id = any (members) and j.state::text = any (states) and (j.workflow_id is null or j.workflow_id = any (flows))
           for update skip locked);
begin
    if 'failed' = any (states) then
        free := free || array(
            select d.id from dead_letter d
             where d.id = any (members) and (d.workflow_id is null or d.workflow_id = any (flows))
               and coalesce(d.finished_at < dead_by, true) for update skip locked);
    end if;
    if states && '{succeeded,cancelled}' then
        free := free || array(select h.id from job_history h where h.id = any (members) and h.state::text = any (states));
    end if;
    return array(select unnest(free) order by 1);
end $$;
