-- time_of: for what a scheduled job waits: a signal, its next attempt, a time that its handler or its enqueue has given.
-- Called by: why_waiting. Writes: nothing.
create function time_of(its job) returns setof cause
language plpgsql stable as $$
declare
    waits   jsonb := its.control->'waits_for';
    is_due  bool := its.run_at <= clock_timestamp();
    told    jsonb := jsonb_build_object('run_at', in_utc(its.run_at), 'put_off_at', in_utc(its.put_off_at));
    failed  bool := coalesce(
        (its.errors->-1->>'retry_at')::timestamptz = its.run_at
        or abs(seconds_until((its.errors->-1->>'ended_at')::timestamptz, its.put_off_at)) < 1, false);
    of_many text := attempt_number(its.attempt, its.terms) || ' of ' || attempt_number(its.max_attempts, its.terms);
begin
    if is_due then
        return next row('due', format('it has been due since %s; %s', said_since(its.run_at),
            case when exists (select from worker w where is_alive(w))
                 then 'a worker makes it ready within a second'
                 else 'a worker makes it ready, but none is alive; start one with pgqueue worker' end), null, told)::cause;
    elsif waits is not null then
        return next row('signal', format('it waits for the signal %s %s', said_name(waits->>'signal'),
            said_until((waits->>'until')::timestamptz)), (waits->>'until')::timestamptz, told || waits)::cause;
    elsif its.unknown_since is not null then
        return next row('put_off', format('it is put off %s, as the worker that took it did not know its task',
            said_until(its.run_at)), its.run_at, told || jsonb_build_object('unknown_since', in_utc(its.unknown_since)))::cause;
    elsif failed then
        return next row('retry', format('attempt %s has failed (%s); the next one waits %s', of_many, said_error(its.errors),
            said_until(its.run_at)), its.run_at, told || jsonb_build_object(
            'attempt', attempt_number(its.attempt, its.terms),
            'max_attempts', attempt_number(its.max_attempts, its.terms), 'error', said_error(its.errors)))::cause;
    elsif its.put_off_at is not null then
        return next row('snoozed', format('its handler has put it off %s (it was at %s)', said_until(its.run_at),
            said_time(its.put_off_at)), its.run_at, told)::cause;
    else
        return next row('later', format('it waits for its time, %s', said_until(its.run_at)) || coalesce(
            '; ' || said_name(its.control->>'retried_by') || ' has retried it', ''), its.run_at, told)::cause;
    end if;
end $$;

-- parents_of: for which of its parents a blocked job waits, the first 10 of them. Called by: why_waiting. Writes: nothing.
-- It looks at 5,000 edges at most: of a node with more parents the last ones may not be named.
create function parents_of(its job) returns setof cause
language plpgsql stable as $$
declare
    node    workflow_node;
    flow    workflow;
    holder  xid;
    parents jsonb;
    named   text;
begin
    select n.* into node from workflow_node n where n.job_id = its.id;
    select w.* into flow from workflow w where w.id = its.workflow_id;
    select w.xmax into holder from workflow w where w.id = its.workflow_id;
    select jsonb_agg(jsonb_build_object('id', p.job_id, 'name', p.name, 'task', p.task, 'state', p.state) order by p.job_id),
           string_agg(format('%s %s is %s', p.job_id, said_name(coalesce(p.name, p.task)), p.state), ', ' order by p.job_id)
      into parents, named
      from (select p.job_id, p.name, p.task, coalesce(j.state::text, p.state::text) as state
              from (select parent_id from workflow_edge where child_id = its.id limit 5000) e
             cross join lateral (select * from workflow_node where job_id = e.parent_id and ended_at is null offset 0) p
              left join lateral (select state from job where id = p.job_id offset 0) j on true
             limit 10) p;
    return next row('parents', format('it waits for %s to end', counted(node.pending_parents, 'parent', 'parents'))
        || coalesce(': ' || named, '')
        || case when node.pending_parents > jsonb_array_length(parents) then ' and others' else '' end
        || coalesce('; ' || (select says from held_up(its.id)), ''),
        null, jsonb_build_object('workflow_id', its.workflow_id, 'missing', node.pending_parents,
                                 'parents', coalesce(parents, '[]')))::cause;
    return query select * from held_by(format('workflow %s', its.workflow_id), holder);
end $$;

-- held_up: whom a blocked job waits for in the end if nobody can run that: no worker serves its queue, or knows its task. It
-- follows the first parent that has not ended, of the first 100 edges of each node, up to 100 parents of parents.
-- Called by: parents_of. Writes: nothing.
create function held_up(job_id bigint) returns table (says text)
language plpgsql stable as $$
#variable_conflict use_variable
declare
    at  bigint := job_id;
    its job;
begin
    for i in 1..100 loop
        select p.job_id into at
          from (select parent_id from workflow_edge where child_id = at limit 100) e cross join lateral (
               select n.job_id from workflow_node n where n.job_id = e.parent_id and n.ended_at is null offset 0) p
         order by p.job_id limit 1;
        exit when at is null;
        select j.* into its from job j where j.id = at;
        if its.state <> 'blocked' then
            return query select format('job %s: %s', at, w.says) from workers_for(its) w;
            return;
        end if;
    end loop;
end $$;

-- expired_of: that a waiting job is past its time. Called by: why_waiting. Writes: nothing.
create function expired_of(its job) returns setof cause
language sql stable as $$
    select 'expired', format('its time is over: it should have %s by %s; a worker ends it at its next look',
                             case when its.deadline_at <= clock_timestamp() then 'ended' else 'started' end, said_time(e.at)),
           null::timestamptz, jsonb_build_object('ended_at', in_utc(e.at))
      from (select case when its.deadline_at <= clock_timestamp() then its.deadline_at else its.expires_at end as at) e
     where not may_start(its.expires_at, its.deadline_at, its.attempt)
$$;

-- ends_of: the times to come that end a job whatever it waits for. Called by: causes_of. Writes: nothing.
create function ends_of(its job) returns setof cause
language sql stable as $$
    select 'expires', format('if it has not started by %s, it is cancelled as expired', said_at(its.expires_at)),
           its.expires_at, jsonb_build_object('expires_at', in_utc(its.expires_at))
     where its.state <> 'running' and its.attempt = 0 and its.expires_at > clock_timestamp()
    union all
    select 'deadline', format('if it is not over by %s, it fails with reason timeout', said_at(its.deadline_at)),
           its.deadline_at, jsonb_build_object('deadline_at', in_utc(its.deadline_at))
     where its.deadline_at > clock_timestamp()
$$;
