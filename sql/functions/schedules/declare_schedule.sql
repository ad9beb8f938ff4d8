-- declare_schedule: makes known what code says of a schedule. What people have set stays theirs: a schedule that they have made,
-- and of another one each field that has another value than the code said last, until they give it the value of the code or
-- delete the schedule. A pause stays in any case.
-- Called by: workers, when they start. Writes: schedule, schedule_tick. Locks: as set_schedule, 200 ms at most each, so that a
-- transaction of somebody else holds up no worker; none if code says what it said last.
-- definition: see checked_schedule. Returns the names of the fields that it has changed, those of the job as job.queue; NULL:
-- people have made the schedule, and otherwise than the code says.
-- Raises PQ001 as set_schedule.
create function declare_schedule(name text, definition jsonb) returns text[]
language plpgsql security definer set search_path from current set lock_timeout = '200ms' as $$
#variable_conflict use_variable
declare
    old     schedule;
    normal  jsonb;
    theirs  jsonb;
    wanted  jsonb;
    changed text[];
begin
    perform check_schedule_name(name);
    if jsonb_typeof(definition) is distinct from 'object' then
        perform invalid('definition', definition::text, 'give an object, for example {"every": 90, "job": {"task": "send"}}');
    end if;
    if exists (select from schedule s where s.name = name and s.declared = definition) then
        return '{}';
    end if;
    perform lock_schedule(name);
    select * into old from schedule s where s.name = name for no key update;
    if old.declared = definition then
        return '{}';
    end if;
    normal := checked_schedule(definition);
    if old.declared is null and old.definition <> normal then
        return null;
    end if;
    theirs := schedule_changes(old.declared_as, old.definition);
    wanted := checked_schedule(merge_schedule(coalesce(old.definition, '{}'), without_fields(
        schedule_changes(coalesce(old.declared, '{}'), definition), theirs)));
    changed := array(select field from schedule_fields(schedule_changes(coalesce(old.definition, '{}'), wanted)) order by 1);
    if changed <> '{}' then
        perform save_schedule(name, old, wanted);
    end if;
    update schedule s set declared = definition, declared_as = normal where s.name = name;
    return changed;
end $$;

-- schedule_changes: what makes one definition of another, for merge_schedule. Called by: declare_schedule. Writes: nothing.
create function schedule_changes(before jsonb, after jsonb) returns jsonb
language sql immutable as $$
    select changed_members(before - 'job', after - 'job') || case
        when before->'job' is not distinct from after->'job' then '{}'
        else jsonb_build_object('job', changed_members(coalesce(before->'job', '{}'), coalesce(after->'job', '{}'))) end
$$;

-- without_fields: changes of a definition but for the fields in others. cron and every count as one field, because each replaces
-- the other. Called by: declare_schedule. Writes: nothing.
create function without_fields(changes jsonb, others jsonb) returns jsonb
language sql immutable as $$
    select coalesce(
        (changes - array(select f from jsonb_object_keys(others) as o(f) where f <> 'job')
                 - case when others ?| '{cron,every}' then '{cron,every}'::text[] else '{}' end)
        || case when changes ? 'job' and others ? 'job' then
                    jsonb_build_object('job', (changes->'job') - array(select jsonb_object_keys(others->'job')))
                else '{}' end, changes)
$$;

-- changed_members: the members of an object that are different in another one, those that are not there as null.
-- Called by: schedule_changes. Writes: nothing.
create function changed_members(before jsonb, after jsonb) returns jsonb
language sql immutable as $$
    select coalesce(jsonb_object_agg(key, coalesce(a.value, 'null')), '{}')
      from jsonb_each(before) b full join jsonb_each(after) a using (key) where b.value is distinct from a.value
$$;

-- schedule_fields: the names of the fields of a definition. Called by: declare_schedule. Writes: nothing.
create function schedule_fields(definition jsonb) returns table (field text)
language sql immutable as $$
    select key from jsonb_object_keys(definition - 'job') as k(key)
    union all
    select 'job.' || key from jsonb_object_keys(definition->'job') as k(key)
$$;
