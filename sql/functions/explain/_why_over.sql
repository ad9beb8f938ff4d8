-- why_over: how a job has ended, and until when that is kept; no row where nothing is known of it. Called by: causes_of.
-- Writes: nothing. A plain job whose queue keeps no history is known by its result.
create function why_over(job_id bigint) returns setof cause
language plpgsql stable as $$
#variable_conflict use_variable
declare
    dead dead_letter;
    done job_history;
    kept timestamptz;
begin
    select d.* into dead from dead_letter d where d.id = job_id;
    if found then
        kept := (select case when d.days is not null then dead.finished_at + make_interval(days => least(d.days, 1000000)) end
                   from setting s left join queue q on q.name = dead.queue, lateral (
                        select coalesce(q.dead_days, s.dead_days) as days) d);
        return next row('failed', format('it failed at %s in attempt %s of %s%s%s; %s', said_since(dead.finished_at),
                attempt_number(dead.attempt, dead.terms), attempt_number(dead.max_attempts, dead.terms),
                case when dead.reason <> 'error' then ', reason ' || dead.reason else '' end,
                coalesce(': ' || said_error(dead.errors), ''),
                'it is kept ' || case when kept is null then '' else said_until(kept) || ' or ' end
                || 'until it is retried or discarded'), kept,
            jsonb_build_object('reason', dead.reason, 'error', said_error(dead.errors), 'retried', dead.control->'retried',
                               'workflow_id', dead.workflow_id) || figures_of_end(
                dead.finished_at, attempt_number(dead.attempt, dead.terms), attempt_number(dead.max_attempts, dead.terms),
                dead.elapsed, dead.worker_id, dead.retry_of))::cause;
        return;
    end if;
    select h.* into done from job_history h where h.id = job_id limit 1;
    if found then
        kept := ((done.finished_at at time zone 'UTC')::date + (select history_days from setting) + 1)::timestamp
                at time zone 'UTC';
        return next row(ended_as(done.state, done.reason), format('%s; it is kept %s', said_end(done), said_until(kept)), kept,
            jsonb_build_object('reason', done.reason, 'by', done.control->'cancel'->'by',
                               'note', done.control->'cancel'->'note', 'workflow_id', done.workflow_id,
                               'result_until', in_utc((select r.expires_at from result(job_id) r)))
            || figures_of_end(done.finished_at, attempt_number(done.attempt, done.terms),
                              attempt_number(done.max_attempts, done.terms), done.elapsed, done.worker_id, done.retry_of))::cause;
        return query select * from changes_of(job_id);
        return;
    end if;
    select r.expires_at into kept from job_result r where r.job_id = job_id;
    if found then
        return next row('succeeded', format('it succeeded; its queue keeps no history, and its result is kept %s',
                                            said_until(kept)), kept, '{}')::cause;
    end if;
    return query select * from changes_of(job_id);
end $$;

-- changes_of: that people have discarded a job, or run it again as another one. Called by: why_over. Writes: nothing.
create function changes_of(job_id bigint) returns setof cause
language plpgsql stable as $$
#variable_conflict use_variable
begin
    return query select * from discard_of(job_id);
    if not found then
        return query select * from audited_changes_of(job_id);
    end if;
end $$;

-- discard_of: that a job was discarded, by an operation too: by whom, when and why. Called by: changes_of, assert_known.
-- Writes: nothing.
create function discard_of(job_id bigint) returns setof cause
language sql stable as $$
    select 'discarded', said_name(d.by) || ' has discarded it at ' || said_since(d.discarded_at)
           || coalesce(': ' || left(d.reason, 200), ''), null::timestamptz,
           jsonb_build_object('by', d.by, 'at', in_utc(d.discarded_at), 'reason', d.reason, 'runs_as', null)
      from discard_log d where d.job_id = discard_of.job_id limit 1  -- a job is discarded once
$$;

-- audited_changes_of: the same as far as the audit log tells, which is kept for longer: operations have one line there for all of
-- their jobs. Called by: changes_of. Writes: nothing.
create function audited_changes_of(job_id bigint) returns setof cause
language sql stable as $$
    select case when a.verb = 'discard' then 'discarded' else 'retried' end,
           said_name(a.by) || case when a.verb = 'discard' then ' has discarded it at ' else ' has retried it at ' end
           || said_since(a.at) || coalesce(': ' || left(a.reason, 200), '')
           || case when a.verb = 'retry' then ': it runs again as job ' || (a.after->>'id') else '' end,
           null::timestamptz, jsonb_build_object('by', a.by, 'at', in_utc(a.at), 'reason', a.reason, 'runs_as', a.after->'id')
      from (select * from audit_log
             where kind = 'job' and subject = audited_changes_of.job_id::text and verb in ('retry', 'discard')
             order by id desc limit 1) a
     where a.verb = 'discard' or a.after->>'id' <> audited_changes_of.job_id::text and not a.after ? 'duplicate'
$$;

-- ended_as: the cause of a job that is over and has not failed. Called by: said_end. Writes: nothing.
create function ended_as(state job_state, reason final_reason) returns text
language sql immutable as $$
    select case when reason = 'dependency_failed' then 'skipped' when reason = 'expired' then 'expired' else state::text end
$$;

-- said_end: how a job of the history has ended, in words. Called by: why_over. Writes: nothing.
create function said_end(done job_history) returns text
language sql stable as $$
    select case ended_as(done.state, done.reason)
           when 'succeeded' then format('it succeeded at %s in attempt %s of %s%s', said_since(done.finished_at),
                                        attempt_number(done.attempt, done.terms), attempt_number(done.max_attempts, done.terms),
                                        coalesce(' after ' || said_span(done.elapsed), ''))
           when 'skipped' then format('it was skipped at %s, because of its parents: %s', said_since(done.finished_at),
                                      coalesce(left(skipped_error(done.id, done.errors)->>'message', 500), 'they are not kept'))
           when 'expired' then format('it had not started in time and was cancelled at %s', said_since(done.finished_at))
           else format('it was cancelled at %s%s%s', said_since(done.finished_at),
                       coalesce(' by ' || said_name(done.control->'cancel'->>'by'),
                                ' with its workflow ' || (select w.id from workflow w
                                                           where w.id = done.workflow_id and w.cancelled_at is not null),
                                case when done.reason <> 'user_requested' then ', reason ' || done.reason end, ''),
                       coalesce(': ' || left(done.control->'cancel'->>'note', 200), '')) end
$$;

-- figures_of_end: what is known of any job that is over. Called by: why_over. Writes: nothing.
create function figures_of_end(
    finished_at timestamptz, attempt int, max_attempts int, elapsed real, worker_id uuid, retry_of bigint
) returns jsonb
language sql stable as $$
    select jsonb_build_object('finished_at', in_utc(finished_at), 'attempt', attempt, 'max_attempts', max_attempts,
                              'elapsed', elapsed, 'worker_id', worker_id, 'retry_of', retry_of)
$$;
