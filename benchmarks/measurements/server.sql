-- What a claim, a finish and a commit cost inside the server: two procedures in a schema of their own, that are called with
-- search_path = "<this schema>, pgqueue" and the planner's settings that claim and finish have (see server.py).
-- Both claim, build what a worker hands in, read that, finish and commit, so many times; each step between two marks.

create type mark as (ns bigint, wal pg_lsn);

-- mark: nanoseconds that this backend has run so far, and how much WAL there is. Called by: drain, drain_bare.
-- The kernel brings a running process's counter up to date at its ticks, every few ms, or when the process reads its own stat.
create function mark() returns mark
language plpgsql as $$
begin
    perform pg_read_file('/proc/self/stat');
    return (split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::bigint, pg_current_wal_insert_lsn());
end $$;

-- add_steps: adds what was used between these marks to the sums of the steps. Between the first two lies nothing but a mark: what
-- that costs is taken from every step. Called by: drain, drain_bare.
create function add_steps(marks mark[], inout ns bigint[], inout wal bigint[])
language plpgsql as $$
declare
    nothing bigint := marks[2].ns - marks[1].ns;
begin
    for n in 2 .. cardinality(marks) - 1 loop
        ns[n - 1] := coalesce(ns[n - 1], 0) + marks[n + 1].ns - marks[n].ns - nothing;
        wal[n - 1] := coalesce(wal[n - 1], 0) + (marks[n + 1].wal - marks[n].wal)::bigint;
    end loop;
end $$;

-- drain: so many batches by pgqueue's own functions. A claim is committed as a worker does it, without waiting for the disk.
-- plain: whether finish takes runs that have succeeded without a result as three arrays.
-- jobs: how many were drained. ns, wal: nanoseconds and bytes of WAL of each step.
create procedure drain(
    worker uuid, batch int, batches int, plain bool,
    inout jobs bigint default 0, inout ns bigint[] default null, inout wal bigint[] default null
)
language plpgsql as $$
declare
    token    uuid;
    ids      bigint[];
    tokens   uuid[];
    elapseds real[];
    outcomes jsonb;
    texts    text[];
    m        mark[];
begin
    for n in 1 .. batches loop
        token := gen_random_uuid();
        m := array[mark(), mark()];
        select array_agg(c.id) filter (where c.id is not null) into ids from claim(worker, token, array['default'], batch) c;
        m := m || mark();
        if cardinality(ids) is distinct from batch then
            raise exception 'only % of % jobs are there to be claimed', coalesce(cardinality(ids), 0), batch;
        end if;
        set local synchronous_commit = off;
        commit;
        m := m || mark();
        if plain then
            texts := array[ids::text, array_fill(token, array[cardinality(ids)])::text,
                           array_fill(0.0001::real, array[cardinality(ids)])::text];
            m := m || mark();
            ids := texts[1]::bigint[];
            tokens := texts[2]::uuid[];
            elapseds := texts[3]::real[];
            m := m || mark();
            perform from finish(ids => ids, tokens => tokens, elapseds => elapseds);
        else
            texts := array[(select jsonb_agg(jsonb_build_object('id', id, 'token', token, 'state', 'succeeded', 'elapsed', 0.0001))
                              from unnest(ids) as id)::text];
            m := m || mark();
            outcomes := texts[1]::jsonb;
            m := m || mark();
            perform from finish(outcomes);
        end if;
        if found then
            raise exception 'finish did not take all that was claimed';
        end if;
        m := m || mark();
        commit;
        m := m || mark();
        jobs := jobs + batch;
        select a.ns, a.wal into ns, wal from add_steps(m, ns, wal) a;
    end loop;
end $$;

-- drain_bare: the same by bare statements, of plain jobs in a queue of their own: the same tables, indexes, columns and fence, and
-- nothing else; the ids are all that is handed in, of one token and with one elapsed. They end like the others; tests/benchmarks/test_server.py compares the rows.
create procedure drain_bare(
    worker uuid, batch int, batches int,
    inout jobs bigint default 0, inout ns bigint[] default null, inout wal bigint[] default null
)
language plpgsql as $$
declare
    token uuid;
    ids   bigint[];
    texts text[];
    ended bigint;
    m     mark[];
begin
    for n in 1 .. batches loop
        token := gen_random_uuid();
        m := array[mark(), mark()];
        with picked as materialized (
            select ctid as at from job
             where state = 'ready' and rescues < 2 and lane_id is null and queue = 'bare'
             order by priority desc, run_at, id limit batch for no key update skip locked
        ), taken as (
            update job j set state = 'running', attempt = j.attempt + 1, worker_id = worker, claim_token = token,
                             claimed_at = clock_timestamp()
              from picked p where j.ctid = p.at
            returning j.id, j.queue, j.task, j.args, j.attempt, j.max_attempts, j.priority, j.run_at, j.created_at, j.meta,
                      null::jsonb as node, null::text[] as limits, j.terms
        )
        select array_agg(t.id) into ids from taken t;
        m := m || mark();
        if cardinality(ids) is distinct from batch then
            raise exception 'only % of % jobs are there to be claimed', coalesce(cardinality(ids), 0), batch;
        end if;
        set local synchronous_commit = off;
        commit;
        m := m || mark();
        texts := array[ids::text];
        m := m || mark();
        ids := texts[1]::bigint[];
        m := m || mark();
        with gone as (
            delete from job where id = any (ids) and claim_token = token returning *
        )
        insert into job_history (finished_at, state, elapsed, errors, id, run_at, created_at, claimed_at, worker_id, retry_of,
                                 workflow_id, priority, attempt, max_attempts, rescues, queue, task, args, retry, result_ttl,
                                 unique_key, unique_mode, meta, limits, cost, terms, control)
        select clock_timestamp(), 'succeeded', 0.0001, g.errors, g.id, g.run_at, g.created_at, g.claimed_at, g.worker_id,
               g.retry_of, g.workflow_id, g.priority, g.attempt, g.max_attempts, g.rescues, g.queue, g.task, g.args, g.retry,
               g.result_ttl, g.unique_key, g.unique_mode, g.meta, g.limits, g.cost, g.terms, g.control
          from gone g;
        get diagnostics ended = row_count;
        if ended <> batch then
            raise exception 'the bare statements ended % of % jobs', ended, batch;
        end if;
        m := m || mark();
        commit;
        m := m || mark();
        jobs := jobs + batch;
        select a.ns, a.wal into ns, wal from add_steps(m, ns, wal) a;
    end loop;
end $$;
