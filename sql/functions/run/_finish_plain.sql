-- finish_plain: moves runs that succeeded without a result to the history, unless their queue keeps none (see is_kept).
-- Called by: finish, which pins the plan. Writes: job, job_history, unkept_end.
-- ids, tokens, elapseds: parallel; NULL = none.
-- Returns the nodes of workflows among them, and as outcomes what it has not ended: see finish_ended.
-- Locks: job rows. It does not look first which of them are free, as nearly always all are: whoever waits for one for 5 ms
-- changes nothing, and hands all of them on, so that a locked row delays only itself.
create function finish_plain(
    ids bigint[], tokens uuid[], elapseds real[], out nodes bigint[], out states node_state[], out others jsonb
) language plpgsql as $$
declare
    ended  bigint[] := '{}';
    freed  text[];
    lost   job_end[];
    unkept text[] := case when exists (select from queue q where q.name > '') then unkept() end;
begin
    begin
        select * into ended, nodes, freed, lost from finish_at_once(ids, tokens, elapseds, unkept);
    exception when lock_not_available then
        ended := '{}';
    end;
    if nodes is not null then
        states := array_fill('succeeded'::node_state, array[cardinality(nodes)]);
    end if;
    if lost is not null then
        perform note_unkept(lost);
    end if;
    if freed is not null then
        perform free_keys(freed);
    end if;
    if cardinality(ended) < cardinality(ids) then
        select jsonb_agg(jsonb_build_object('id', id, 'token', token, 'state', 'succeeded', 'elapsed', elapsed)) into others
          from unnest(ids, tokens, elapseds) as o(id, token, elapsed)
         where id <> all (ended);
    end if;
end $$;

-- finish_at_once: the statement of finish_plain. Raises 55P03 when another transaction has held one of the rows for 5 ms.
-- Called by: finish_plain. Writes: job, job_history. Locks: job rows.
-- A hash join, unlike elsewhere in finish: from PostgreSQL 17 on the array is one walk of the key, and a descent for each of 500
-- rows costs a quarter more.
-- The columns are listed here too, beside job_kept: that view has no token.
create function finish_at_once(
    ids bigint[], tokens uuid[], elapseds real[], unkept text[],
    out ended bigint[], out nodes bigint[], out freed text[], out lost job_end[]
) language plpgsql set lock_timeout = '5ms'
set enable_hashjoin = on set enable_nestloop = off set jit = off as $$
#variable_conflict use_column
begin
    with gone as (
        -- The array finds the rows; a hash of the batch has their tokens.
        delete from job j using unnest(ids, tokens, elapseds) as o(id, token, elapsed)
         where j.id = any (finish_at_once.ids) and j.id = o.id and j.claim_token = o.token
        returning clock_timestamp() as finished_at, sane_elapsed(o.elapsed) as elapsed, j.*
    ), history as (
        insert into job_history
        select null, finished_at, 'succeeded', null, elapsed, errors,
               id, run_at, created_at, claimed_at, worker_id, retry_of, workflow_id, priority, attempt, max_attempts, rescues,
               queue, task, args, retry, result_ttl, unique_key, unique_mode, meta, limits, cost, terms, control
          from gone where is_kept('succeeded', queue, workflow_id, unkept)
    )
    select coalesce(array_agg(id), '{}'), array_agg(id) filter (where workflow_id is not null),
           array_agg(limits::text) filter (where holds_place),
           (select array_agg(row(g.finished_at, g.queue, g.task, 'succeeded', g.priority, g.attempt, g.elapsed, g.run_at,
                                 g.created_at, g.claimed_at, g.control)::job_end)
              from gone g where unkept is not null and not is_kept('succeeded', g.queue, g.workflow_id, unkept))
      into ended, nodes, freed, lost from gone;
end $$;
