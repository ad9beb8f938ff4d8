-- expire: ends waiting jobs whose time is over: one that has not started by its expires_at is cancelled with reason expired; one
-- past its deadline_at fails with reason timeout. Blocked, limited and scheduled jobs too.
-- Called by: promote, when there are some. Writes: job, job_history, dead_letter; see settle for what the end of a node writes.
-- Locks: job rows, and the workflows of nodes, all SKIP LOCKED: it waits for nobody, and what is locked hides no other job.
-- A job that cannot be ended, because of a trigger of the application for example, stays with a warning.
-- Returns how many it ended, at most 2 * want.
create function expire(want int default 1000) returns int
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
set plan_cache_mode = force_generic_plan as $$
declare
    job_ids bigint[] := array(
        select id from ending_job where ends_at <= (select clock_timestamp()) and workflow_id is null
         order by ends_at, id limit want for update skip locked)
     || array(
        select j.id from ending_job j join workflow w on w.id = j.workflow_id where j.ends_at <= (select clock_timestamp())
         order by j.ends_at, j.id limit want for update of j skip locked for no key update of w skip locked);
    ended   int := 0;
    this_id bigint;
begin
    if job_ids = '{}' then
        return 0;
    end if;
    begin
        return end_waiting(job_ids);
    exception when others then null;  -- one of them is the reason
    end;
    foreach this_id in array job_ids loop
        begin
            ended := ended + end_waiting(array[this_id]);
        exception when others then raise warning 'job % could not be ended at its time: %', this_id, sqlerrm;
        end;
    end loop;
    return ended;
end $$;

-- end_waiting: ends waiting jobs whose time is over. Called by: expire, which holds them. Writes: see there.
create function end_waiting(job_ids bigint[]) returns int
language plpgsql as $$
declare
    nodes  bigint[];
    states node_state[];
    ended  int;
    lost   job_end[];
    unkept text[] := case when exists (select from queue q where q.name > '') then unkept() end;
begin
    with held as materialized (
        select j.*, case when j.is_late
                         then append_error(j.errors, attempt_number(j.attempt, j.terms), null, null, clock_timestamp(),
                                           null, late_error(j.terms))
                         else j.errors end as all_errors
          from unnest(job_ids) as u(id), lateral (
               select id, errors, attempt, terms, coalesce(deadline_at <= clock_timestamp(), false) as is_late from job
                where id = u.id and not may_start(expires_at, deadline_at, attempt) offset 0) j
    ), gone as (
        delete from job_kept k using held h where k.id = any (array[h.id])
        returning clock_timestamp() as finished_at, (case when h.is_late then 'failed' else 'cancelled' end)::job_state as state,
                  (case when h.is_late then 'timeout' else 'expired' end)::final_reason as reason, null::real as elapsed,
                  h.all_errors, k.*
    ), dead as (
        insert into dead_letter select e.*, g.* from gone g, lateral error_identity(g.all_errors) e where state = 'failed'
    ), history as (
        insert into job_history
        select null, g.* from gone g where state = 'cancelled' and is_kept('cancelled', g.queue, g.workflow_id, unkept)
    )
    select count(*), array_agg(id) filter (where workflow_id is not null),
           array_agg(state::text::node_state) filter (where workflow_id is not null),
           (select array_agg(row(g.finished_at, g.queue, g.task, g.state, g.priority, g.attempt, g.elapsed, g.run_at,
                                 g.created_at, g.claimed_at, g.control)::job_end)
              from gone g where unkept is not null and g.state = 'cancelled'
                                and not is_kept('cancelled', g.queue, g.workflow_id, unkept))
      into ended, nodes, states, lost from gone;
    if lost is not null then
        perform note_unkept(lost);
    end if;
    if nodes is not null then
        perform end_nodes(nodes, states);
    end if;
    return ended;
end $$;

-- late_error: why a job has failed that was not over by its deadline. Called by: end_waiting, finish_unended, end_overdue.
-- Writes: nothing.
create function late_error(terms jsonb) returns jsonb
language sql immutable as $$
    select jsonb_build_object('type', 'pgqueue.errors.Timeout', 'message',
                              format('its total_timeout of %s s ended before the job did', terms->>'total_timeout'))
$$;
