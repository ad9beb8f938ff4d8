-- set_schedule: makes a schedule, or changes one. Returns added, changed or unchanged. All workers see it at once.
-- Called by: applications, operators. Writes: schedule, schedule_tick, audit_log. Locks: see lock_schedule, then the row.
--
-- name     letters, digits and . _ : - ; at most 100 characters
-- changes  what is to be different: see checked_schedule for the fields. null sets a field to its default; job is merged option
--          by option; cron takes the place of every, and the other way round. A new schedule needs one of these, and job.task
-- expected new: it must not exist yet; existing: it must; NULL = either
-- Raises PQ001 when a value is invalid, PQ003 or PQ004 when it is not as expected, 42501 for a new schedule or another job of a
-- caller that may not enqueue. A change of cron, every, timezone, starts_at
-- or ends_at never fires at once, and no earlier tick fires any more; other changes leave the next tick as it is. A pause stays.
create function set_schedule(name text, changes jsonb, by text default null, expected text default null) returns text
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    old        schedule;
    definition jsonb;
begin
    perform check_schedule_name(name);
    if jsonb_typeof(changes) is distinct from 'object' then
        perform invalid('changes', changes::text, 'give an object, for example {"cron": ["0 2 * * *"], "job": {"task": "send"}}');
    end if;
    perform lock_schedule(name);
    if expected = 'existing' then
        old := hold_schedule(name);
    else
        select * into old from schedule s where s.name = name for no key update;
    end if;
    if expected = 'new' and old.name is not null then
        raise exception 'name: there is a schedule % already; give it another name, or change that one', name
            using errcode = 'PQ004', column = 'name';
    end if;
    definition := checked_schedule(merge_schedule(coalesce(old.definition, '{}'), changes));
    if definition = old.definition then
        return 'unchanged';
    end if;
    if definition->'job' is distinct from old.definition->'job' then
        perform assert_may_enqueue('job');
    end if;
    perform save_schedule(name, old, definition);
    perform audit('set_schedule', 'schedule', name, by, null, old.definition, definition);
    return case when old.name is null then 'added' else 'changed' end;
end $$;
