-- expire: ends waiting jobs whose time is over: one that has not started by its expires_at is cancelled with reason expired; one
-- past its deadline_at fails with reason timeout. Blocked, limited and scheduled jobs too.
-- Called by: promote, when there are some. Writes: job, job_history, dead_letter; see settle for what the end of a node writes.
-- Locks: the workflows of nodes, then job rows; all SKIP LOCKED: it waits for nobody, and leaves what is locked to the next call.
-- Returns how many it ended, at most 2 * want.
create function expire(want int default 1000) returns int
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
set plan_cache_mode = force_generic_plan as $$
declare
    late bigint[] := array(
        select id from job
         where expires_at is not null and attempt = 0 and state <> 'running' and expires_at <= (select clock_timestamp())
         order by expires_at, id limit want);
    dead bigint[] := array(
        select id from job
         where deadline_at is not null and state <> 'running' and deadline_at <= (select clock_timestamp())
         order by deadline_at, id limit want);
begin
    return end_waiting(late, false) + end_waiting(dead, true);
end $$;

-- end_waiting: ends those of these jobs that still wait and can be locked. Called by: expire. Writes, locks: see there.
-- is_late: they have passed their deadline, and fail; else they have expired, and are cancelled.
create function end_waiting(job_ids bigint[], is_late bool) returns int
language plpgsql as $$
declare
    flows bigint[];
    nodes bigint[];
    ended int;
begin
    if job_ids = '{}' then
        return 0;
    end if;
    flows := array(select w.id from workflow w
                    where w.id = any (array(select j.workflow_id from job j where j.id = any (job_ids)))
                      for no key update skip locked);
    with held as materialized (
        select j.id, case when not is_late then j.errors
                          else append_error(j.errors, j.attempt, null, null, clock_timestamp(), null, late_error(j.terms))
                     end as errors
          from unnest(job_ids) as u(id), lateral (
               select id, errors, attempt, terms from job
                where id = u.id and state <> 'running' and (workflow_id is null or workflow_id = any (flows))
                  -- Unless it was changed meanwhile.
                  and case when is_late then deadline_at else expires_at end <= clock_timestamp() and (is_late or attempt = 0)
                  for update skip locked offset 0) j
    ), gone as (
        delete from job_kept k using held h where k.id = any (array[h.id])
        returning clock_timestamp() as finished_at, (case when is_late then 'failed' else 'cancelled' end)::job_state as state,
                  (case when is_late then 'timeout' else 'expired' end)::final_reason as reason, null::real as elapsed,
                  h.errors, k.*
    ), dead as (
        insert into dead_letter select g.* from gone g where is_late
    ), history as (
        insert into job_history select null, g.* from gone g where not is_late
    )
    select count(*), array_agg(id) filter (where workflow_id is not null) into ended, nodes from gone;
    if nodes is not null then
        perform end_nodes(nodes, array_fill((case when is_late then 'failed' else 'cancelled' end)::node_state,
                                            array[cardinality(nodes)]));
    end if;
    return ended;
end $$;

-- late_error: why a job has failed that was not over by its deadline. Called by: end_waiting, finish_unended. Writes: nothing.
create function late_error(terms jsonb) returns jsonb
language sql immutable as $$
    select jsonb_build_object('type', 'pgqueue.errors.Timeout', 'message',
                              format('its total_timeout of %s s ended before the job did', terms->>'total_timeout'))
$$;

-- next_end: when the next waiting job expires or passes its deadline, and whether some have already; NULL = none will.
-- Called by: promote, which pins the plan. Writes: nothing. Four probes of indexes that are empty where no job has such times.
create function next_end(out is_due bool, out at timestamptz)
language plpgsql as $$
begin
    is_due := exists (select from job where expires_at is not null and attempt = 0 and state <> 'running'
                                        and expires_at <= (select clock_timestamp()))
           or exists (select from job where deadline_at is not null and state <> 'running'
                                        and deadline_at <= (select clock_timestamp()));
    at := least((select expires_at from job
                  where expires_at is not null and attempt = 0 and state <> 'running' and expires_at > (select clock_timestamp())
                  order by expires_at, id limit 1),
                (select deadline_at from job
                  where deadline_at is not null and state <> 'running' and deadline_at > (select clock_timestamp())
                  order by deadline_at, id limit 1));
end $$;
