-- confirm: what is known of outcomes for which finish said stale: whether the worker has handed them in before, and only the
-- answer was lost.
-- Called by: the REST API. Writes: nothing. Locks: none.
-- worker: who ran them. outcomes: as finish takes them.
--   repeated     the job has ended so under this worker, or has failed under it and runs again
--   unconfirmed  that cannot be told, because a snooze leaves no trace, and a queue may keep no history: do nothing.
--   stale        the job has another owner, or was taken from this one
-- History and dead letters name the worker of a run and not its token: a worker that ran a job twice and hands in the first
-- run late hears repeated, too. The job is over, so nothing is wrong but the word. What ended over an hour ago is unknown.
create function confirm(worker uuid, outcomes jsonb) returns table (job_id bigint, verdict text)
-- Pinned, see claim. `since` is a parameter of the plan, so only the last partitions of the history are looked at.
language plpgsql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
declare
    since timestamptz := clock_timestamp() - interval '1 hour';
begin
    return query
    select o.id, case
               when j.state is not null then unended_verdict(o.state, j.state, j.errors->-1, worker)
               when h.state is not null
               then case when h.worker_id = worker and (h.state = 'cancelled') = (o.state <> 'succeeded')
                         then 'repeated' else 'stale' end
               when d.reason is not null
               then case when d.worker_id = worker and o.state = 'failed' and d.reason <> 'crashed' then 'repeated'
                         else 'stale' end
               else 'unconfirmed'
           end
      from jsonb_to_recordset(outcomes) as o(id bigint, state text)
      left join lateral (select b.state, b.errors from job b where b.id = o.id offset 0) j on true
      left join lateral (select b.state, b.worker_id from job_history b
                          where b.id = o.id and b.finished_at > since offset 0) h on true
      left join lateral (select b.reason, b.worker_id from dead_letter b where b.id = o.id offset 0) d on true;
end $$;

-- unended_verdict: the same for a job that is not over. Called by: confirm. Writes: nothing.
-- last: the error of its last attempt; that of a rescue is no outcome.
create function unended_verdict(outcome text, state job_state, last jsonb, worker uuid) returns text
language sql immutable as $$
    select case when state = 'running' then 'stale'
                when last->>'worker_id' = worker::text and last->>'type' = 'WorkerLost' then 'stale'
                when outcome = 'failed' then case when last->>'worker_id' = worker::text then 'repeated' else 'stale' end
                when outcome in ('succeeded', 'cancelled') then 'stale'
                else 'unconfirmed' end
$$;
