-- finish: takes the outcomes of claimed jobs and moves each job on.
-- Called by: workers; fail, snooze, end_overdue. Writes: job, job_history, dead_letter, job_result; see settle for what the
-- end of a node writes.
-- Locks: job rows, SKIP LOCKED: a locked one comes back as `busy` and blocks nothing. Then the workflows of the jobs, in order.
-- Raises 55P03, and changes nothing, when another transaction locks a workflow, or a unique key of an added node, for more than
-- 100 ms: hand in the other workflows' jobs without it, and its own later.
--
-- outcomes: [{"id", "token", "state", ...}, ...]; NULL = none. A job at most once, here or in ids
--   succeeded     result: stored unless absent or null
--   cancelled     reason: default user_requested; error: kept with the job, says why
--   failed        error {"type", "types" (class names up the inheritance), "message", "traceback"};
--                 delay: seconds, instead of the policy's; final: true = no retry; reason: default error;
--                 not_before: seconds that the policy's delay is at least
--   snoozed       delay: seconds; the attempt does not count
--   unknown_task  the worker has no such task: snoozed 5 s, doubling to 60 s; at most a quarter of the time until it expires or
--                 reaches its deadline, so that another worker can take it
--   waiting       it waits for `signal` until `until` (NULL: without limit), see wait_for; the attempt does not count. It is
--                 scheduled for then, and ready at once if the signal has come meanwhile. It parks no limit, and holds none.
--   rate_limited  an external limit was hit: parks `key` for `delay` seconds, by default its limits that have a rate, and those
--                 jobs wait where they are; the attempt does not count. A job without limits is snoozed.
-- Every outcome may carry elapsed, the seconds its handler took.
-- ids, tokens, elapseds: parallel arrays of jobs that succeeded without a result, instead of an outcome for each: nearly all end
-- so, and it costs a third less.
-- additions: [{"id", "nodes"}, ...]: what a job adds to its own workflow, see add_nodes; if it has succeeded, else they are
-- dropped.
--   What add_nodes refuses is raised here (PQ001, PQ004), and nothing is changed.
--
-- Returns a row for each outcome that did not simply end its job as requested:
--   scheduled (run_at)   it runs again then
--   dead_letter          it failed for good
--   cancelled            it would run again, but it was asked to stop meanwhile, or its workflow was cancelled
--   busy                 nothing was changed, try again
--   stale                nothing was changed, the job is not this token's any more
-- Raises PQ001, and changes nothing, when an outcome has no such state, or a delay that ends after the year 9999. Texts are cut:
-- see append_error.
create function finish(
    outcomes jsonb default null, additions jsonb default null,
    ids bigint[] default null, tokens uuid[] default null, elapseds real[] default null
) returns table (job_id bigint, verdict text, run_at timestamptz)
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan set jit = off set lock_timeout = '100ms' as $$
declare
    nodes  bigint[];
    states node_state[];
    others jsonb;
    done   record;
begin
    if ids is not null then
        select p.nodes, p.states, p.others into nodes, states, others from finish_plain(ids, tokens, elapseds) p;
        if outcomes is null and others is null then  -- nearly always
            if nodes is not null then
                perform finish_nodes(nodes, states, additions);
            end if;
            return;
        end if;
        outcomes := coalesce(outcomes, '[]') || coalesce(others, '[]');
    end if;
    done := finish_ended(outcomes);
    nodes := nodes || done.nodes;
    if nodes is not null or cardinality(done.ended) < jsonb_array_length(outcomes) then
        return query select * from finish_batch(outcomes, additions, done.ended, nodes, states || done.states);
    end if;
end $$;
