-- expire: ends waiting jobs whose time is over: one that has not started by its expires_at is cancelled with reason expired; one
-- past its deadline_at fails with reason timeout. Blocked, limited and scheduled jobs too.
-- Called by: promote, when there are some. Writes: job, job_history, dead_letter; see settle for what the end of a node writes.
-- Locks: the workflows of nodes, then job rows; all SKIP LOCKED: it waits for nobody, and leaves what is locked to the next call.
-- Returns how many it ended, at most `want`.
create function expire(want int default 1000) returns int
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
set plan_cache_mode = force_generic_plan as $$
declare
    job_ids bigint[] := array(
        select id from job
         where (expires_at is not null or deadline_at is not null) and state <> 'running'
           and least(case when attempt = 0 then expires_at end, deadline_at) <= (select clock_timestamp())
         order by least(case when attempt = 0 then expires_at end, deadline_at), id limit want);
    flows  bigint[];
    nodes  bigint[];
    states node_state[];
    ended  int;
begin
    if job_ids = '{}' then
        return 0;
    end if;
    flows := array(select w.id from workflow w
                    where w.id = any (array(select j.workflow_id from job j where j.id = any (job_ids)))
                      for no key update skip locked);
    with held as materialized (
        select j.id, j.is_late,
               case when not j.is_late then j.errors
                    else append_error(j.errors, j.attempt, null, null, clock_timestamp(), null, late_error(j.terms)) end as errors
          from unnest(job_ids) as u(id), lateral (
               select id, errors, attempt, terms, coalesce(deadline_at <= clock_timestamp(), false) as is_late from job
                where id = u.id and state <> 'running' and (workflow_id is null or workflow_id = any (flows))
                  -- Unless it was changed meanwhile.
                  and not may_start(expires_at, deadline_at, attempt)
                  for update skip locked offset 0) j
    ), gone as (
        delete from job_kept k using held h where k.id = any (array[h.id])
        returning clock_timestamp() as finished_at, (case when h.is_late then 'failed' else 'cancelled' end)::job_state as state,
                  (case when h.is_late then 'timeout' else 'expired' end)::final_reason as reason, null::real as elapsed,
                  h.errors, k.*
    ), dead as (
        insert into dead_letter select g.* from gone g where state = 'failed'
    ), history as (
        insert into job_history select null, g.* from gone g where state = 'cancelled'
    )
    select count(*), array_agg(id) filter (where workflow_id is not null),
           array_agg(state::text::node_state) filter (where workflow_id is not null)
      into ended, nodes, states from gone;
    if nodes is not null then
        perform end_nodes(nodes, states);
    end if;
    return ended;
end $$;

-- late_error: why a job has failed that was not over by its deadline. Called by: expire, finish_unended, end_overdue.
-- Writes: nothing.
create function late_error(terms jsonb) returns jsonb
language sql immutable as $$
    select jsonb_build_object('type', 'pgqueue.errors.Timeout', 'message',
                              format('its total_timeout of %s s ended before the job did', terms->>'total_timeout'))
$$;
