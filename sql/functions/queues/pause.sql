-- pause: lets no job of a queue, of a task, or of everything start until a time, or until it is resumed. Jobs that run go on; so
-- do enqueues and schedules. Pausing again replaces the time, who and why.
-- Called by: operators, applications. Writes: pause, audit_log. Locks: its row. A claim under way may still start jobs: see
-- draining.
--
-- kind    queue, task or everything
-- name    of the queue or the task; NULL for everything
-- until   NULL = until somebody resumes it
-- by      who pauses it, 1 to 200 characters; NULL = the user of the session
-- reason  for people; at most 1,000 characters
-- after   instead of until: for so long from now
-- Returns whether it was not paused before. Raises PQ001 when an argument is invalid.
create function pause(
    kind text, name text default null, until timestamptz default null, by text default null, reason text default null,
    after interval default null
) returns bool
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    was_paused bool;
    before     jsonb := (select to_jsonb(p) - array['kind', 'name']
                           from pause p where p.kind = pause.kind and p.name = coalesce(pause.name, '') for update);
begin
    perform check_pause_name(kind, name);
    if until is not null and after is not null then
        perform invalid('after', after::text, 'give until or after, not both');
    end if;
    perform check_interval('after', after);
    until := coalesce(until, clock_timestamp() + after);
    if until <= clock_timestamp() or until not between '0001-01-02' and '9999-12-30' then
        perform invalid('until', until::text, 'give a time that is still to come, before the year 10000');
    end if;
    was_paused := exists (select from pauses p where p.kind = pause.kind and p.name = coalesce(pause.name, ''));
    insert into pause as p (kind, name, until, by, reason)
    values (kind, coalesce(name, ''), until, check_by(by), check_reason('reason', reason))
    on conflict on constraint pause_pkey do update
       set paused_at = case when was_paused then p.paused_at else excluded.paused_at end, until = excluded.until,
           by = excluded.by, reason = excluded.reason;
    perform audit('pause', kind, coalesce(name, ''), by, reason, case when was_paused then before end,
                  jsonb_build_object('until', in_utc(until)));
    perform wake('!queues');
    return not was_paused;
end $$;

-- resume: ends a pause. What another pause holds stays paused: a queue of which everything is paused, for example.
-- Called by: operators, applications. Writes: pause, audit_log. Locks: its row. Returns whether it was paused.
create function resume(kind text, name text default null, by text default null) returns bool
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    gone pause;
begin
    perform check_pause_name(kind, name);
    delete from pause p where p.kind = resume.kind and p.name = coalesce(resume.name, '')
    returning p.* into gone;
    if not found then
        return false;
    end if;
    if gone.until <= clock_timestamp() then
        return false;
    end if;
    perform audit('resume', kind, coalesce(name, ''), by, null, to_jsonb(gone) - array['kind', 'name']);
    perform wake('!queues');
    return true;
end $$;

-- check_pause_name: refuses what cannot be paused. Called by: pause, resume. Writes: nothing.
create function check_pause_name(kind text, name text) returns void
language plpgsql as $$
begin
    if kind = 'queue' then
        perform check_queue_name(name);
    elsif kind = 'task' then
        if name is null or length(name) not between 1 and 200 then
            perform invalid('name', name, 'use 1 to 200 characters');
        end if;
    elsif kind is distinct from 'everything' then
        perform invalid('kind', kind, 'use queue, task or everything');
    elsif coalesce(name, '') <> '' then
        perform invalid('name', name, 'leave it out: everything is paused');
    end if;
end $$;
