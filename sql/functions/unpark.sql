-- unpark: opens a key that was parked. Called by: operators, applications. Writes: parking, turn.
-- Returns whether it was parked. Raises PQ001 when there is no such limit.
create function unpark(key text) returns bool
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    was_parked bool;
begin
    perform assert_limit(key);
    with gone as (
        delete from parking p where p.key = key returning p.until
    )
    select coalesce(bool_or(until > clock_timestamp()), false) into was_parked from gone;
    perform open_limit(key);
    return was_parked;
end $$;

-- open_limit: has everything looked at that is parked behind a key, or behind all keys of a name.
-- Called by: whoever changes limits. Writes: turn.
create function open_limit(its_name text) returns void
language plpgsql as $$
begin
    insert into turn (queue, key, due_at)
    select distinct t.queue, t.key, clock_timestamp()
      from turn t where t.lane_id is not null and t.key is not null and its_name in (t.key, split_part(t.key, ':', 1));
    perform wake(q.queue) from (
        select distinct t.queue from turn t where t.lane_id is null and its_name in (t.key, split_part(t.key, ':', 1))
        union
        select substr(its_name, 7) where its_name like 'queue:%') q;
end $$;
