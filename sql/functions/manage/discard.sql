-- discard: removes a dead letter for good; who did it and why is kept as long as the history, in discard_log.
-- Called by: applications, operators. Writes: dead_letter, discard_log, unkept_end, audit_log. Locks: the dead letter; waits for
-- a retry in progress. A node stays failed, and what waits for its workflow is decided already: its workflow is kept as one
-- without dead letters.
-- Raises PQ001 for a bad text, PQ003 for an unknown job and PQ004 for one that is no dead letter.
create function discard(job_id bigint, by text default null, reason text default null) returns void
language plpgsql security definer set search_path from current as $$
declare
    before jsonb := job_facts(job_id);
begin
    perform discard_job(job_id, by, reason);
    perform audit('discard', 'job', job_id::text, by, reason, before);
end $$;

-- discard_job: discard, without a line in the audit log. Called by: discard, do_job. Writes, locks, raises: see discard.
create function discard_job(job_id bigint, by text, reason text) returns void
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_variable
declare
    who text := check_by(by);
    why text := check_reason('reason', reason);
    ends job_end[];
begin
    with gone as (
        delete from dead_letter d where d.id = job_id returning d.*
    ), logged as (
        insert into discard_log (discarded_at, job_id, by, reason, queue, task, error_type, fingerprint)
        select clock_timestamp(), g.id, who, why, g.queue, g.task, g.error_type, g.fingerprint from gone g
    )
    select array[row(g.finished_at, g.queue, g.task, g.state, g.priority, g.attempt, g.elapsed, g.run_at, g.created_at,
                     g.claimed_at, g.control)::job_end] into ends from gone g;
    if ends is null then
        perform refuse(job_id, 'only a dead letter can be discarded');
    end if;
    perform note_gone(ends);
end $$;
