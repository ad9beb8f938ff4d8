-- unpark: opens a key that was parked. Called by: operators, applications. Writes: parking, turn, audit_log.
-- Returns whether it was parked. Raises PQ001 when there is no such limit.
create function unpark(key text, by text default null) returns bool
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    was_until timestamptz;
begin
    perform assert_limit(key);
    with gone as (
        delete from parking p where p.key = key and p.until > clock_timestamp() returning p.until
    )
    select max(until) into was_until from gone;
    perform open_limit(key);
    if was_until is not null then
        perform audit('unpark', 'limit', key, by, null, jsonb_build_object('until', in_utc(was_until)));
    end if;
    return was_until is not null;
end $$;

-- open_limit: has everything looked at that is parked behind a key, or behind all keys of a name. What a claimer is parking in
-- this moment, by what was before, is not seen: so it leaves a note in parking, for sweep_lanes.
-- Called by: functions that change limits. Writes: turn, parking.
create function open_limit(its_name text) returns void
language plpgsql as $$
begin
    insert into parking (key, until) values ('', clock_timestamp());  -- under no key: if the clock is set back, it shuts nothing
    insert into turn (queue, key, due_at)
    select t.queue, t.key, clock_timestamp()
      from (select distinct u.queue, u.key from turn u
             where u.lane_id is not null and u.key is not null and its_name in (u.key, split_part(u.key, ':', 1))) t;
    perform wake(q.queue) from (
        select distinct t.queue from turn t where t.key is not null and its_name in (t.key, split_part(t.key, ':', 1))
        union
        select substr(its_name, 7) where its_name like 'queue:%') q;
end $$;
