-- cancel_held: ends jobs on request, whatever their state; what they run under is fenced, because their tokens go with them.
-- Called by: cancel_waiting, cancel_asked, end_workflow, cancel_again, cancel_plain, rescue_job. Writes: job, job_history,
-- unkept_end; see free_keys for places of limits, and settle for what the end of a node writes. Locks: the workflows of nodes;
-- the caller holds the job rows.
create function cancel_held(job_ids bigint[]) returns void
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
declare
    nodes  bigint[];
    freed  text[];
    lost   job_end[];
    unkept text[] := case when exists (select from queue q where q.name > '') then unkept() end;
begin
    with held as materialized (
        select j.* from unnest(job_ids) as u(id), lateral (
               select id, errors, workflow_id as flow, limits as its_limits, holds_place and claim_token is not null as has_place
                 from job where id = u.id offset 0) j
    ), gone as (
        delete from job_kept k using held h where k.id = any (array[h.id])
        returning null::timestamptz, clock_timestamp(), 'cancelled'::job_state, 'user_requested'::final_reason, null::real,
                  h.errors, k.*
    ), history as (
        insert into job_history select g.* from gone g where is_kept('cancelled', g.queue, g.workflow_id, unkept)
    )
    select array_agg(id) filter (where flow is not null), array_agg(its_limits::text) filter (where has_place),
           (select array_agg(row(clock_timestamp(), g.queue, g.task, 'cancelled', g.priority, g.attempt, null::real, g.run_at,
                                 g.created_at, g.claimed_at, g.control)::job_end)
              from gone g where unkept is not null and not is_kept('cancelled', g.queue, g.workflow_id, unkept))
      into nodes, freed, lost from held;
    if lost is not null then
        perform note_unkept(lost);
    end if;
    if nodes is not null then
        perform end_nodes(nodes, array_fill('cancelled'::node_state, array[cardinality(nodes)]));
    end if;
    if freed is not null then
        perform free_keys(freed);
    end if;
end $$;

-- cancel_asked: ends running jobs that would come back to the queue although a cancel was asked for; returns those that it ended.
-- Called by: give_back, which holds the job rows. Writes: see cancel_held.
-- Locks: the workflows of nodes, SKIP LOCKED: it never waits. A node of a locked workflow goes on running, for rescue to end it.
create function cancel_asked(job_ids bigint[]) returns bigint[]
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
declare
    flows bigint[] := array(
        select w.id from workflow w where w.id = any (array(select j.workflow_id from job j where j.id = any (job_ids)))
         order by w.id for no key update skip locked);
    ended bigint[] := array(
        select j.id from job j where j.id = any (job_ids) and (j.workflow_id is null or j.workflow_id = any (flows)));
begin
    perform cancel_held(ended);
    return ended;
end $$;
