-- count_interruptions: notes with jobs that their handlers were cut off by the stop of their worker. A job that has come to
-- setting.max_interruptions is a suspect (see pick_suspect); the next time it is a dead letter with reason worker_shutdown.
-- Called by: retire_worker, which gives the others back. Writes: job, dead_letter; see settle for what the end of a node writes,
-- and free_keys. Locks: job rows, and the workflow of a node that ends, SKIP LOCKED: what is locked is left to rescue.
-- What was asked to stop is not counted: it ends as cancelled.
create function count_interruptions(worker uuid, job_ids bigint[]) returns void
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set jit = off as $$
declare
    most int := (select max_interruptions from setting);
    its  record;
begin
    for its in
        with held as materialized (
            select j.* from unnest(job_ids) as given(id), lateral (
                select id, queue, limits, lane_id, rescues, workflow_id, coalesce((control->>'interrupted')::int, 0) + 1 as count
                  from job where id = given.id and worker_id = worker and (control ? 'cancel') is not true
                   for update skip locked offset 0) j
        ), counted as (
            update job j
               set control = coalesce(j.control, '{}') || jsonb_build_object('interrupted', h.count),
                   rescues = case when h.count >= most then greatest(j.rescues, 2) else j.rescues end
              from held h where j.id = any (array[h.id])
        )
        select * from held where count >= most order by workflow_id, id
    loop
        if its.count > most then
            perform end_interrupted(its.id, its.workflow_id, its.count);
        elsif its.lane_id is not null and its.rescues < 2 and keys_to_park(its.limits, its.queue, false, null) is null then
            -- A suspect stands in a lane apart, see rescue_job.
            update job set lane_id = lane_of(its.queue, its.limits || ' suspect'::text) where id = its.id;
        end if;
    end loop;
end $$;

-- end_interrupted: makes a dead letter of a job that was interrupted too often. Called by: count_interruptions, which holds the
-- row. Writes, locks: see there; a node of a locked workflow is given back once more.
create function end_interrupted(job_id bigint, flow bigint, times int) returns void
language plpgsql as $$
declare
    its job%rowtype;
begin
    if flow is not null then
        perform from workflow w where w.id = flow for no key update skip locked;
        if not found then
            return;
        end if;
    end if;
    select * into its from job where id = job_id;
    its.errors := append_error(
        its.errors, attempt_number(its.attempt, its.terms), its.worker_id, its.claimed_at,
        clock_timestamp(), null, jsonb_build_object(
            'type', 'WorkerShutdown', 'message',
            format('interrupted %s times: each time its worker stopped before it ended', times)));
    with gone as (
        delete from job_kept k where k.id = job_id
        returning clock_timestamp(), 'failed'::job_state, 'worker_shutdown'::final_reason, null::real, its.errors, k.*
    )
    insert into dead_letter select e.*, g.* from gone g, lateral error_identity(its.errors) e;
    if flow is not null then
        perform end_nodes(array[job_id], '{failed}');
    end if;
    if its.holds_place then
        perform free_keys(array[its.limits::text]);
    end if;
end $$;
