-- crossed_dead_letters: how many dead letters of a filter there are, 100,000 at most, if their number has just reached a
-- threshold, and else NULL: each crossing is told once, to whoever asks first. It is armed again when the number is down to low.
-- Called by: workers, at regular times, for each callback of on_dead_letters. Writes: dead_alert, at a crossing and when it is
-- armed again. Locks: the row of that name. Raises PQ001 for an invalid filter or number.
-- name: what tells callbacks apart; all workers of an app use the same one
create function crossed_dead_letters(name text, threshold int, low int, filter jsonb default '{}') returns bigint
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_variable
declare
    checked jsonb := dead_filter(filter);
    is_over bool := coalesce((select a.is_over from dead_alert a where a.name = name), false);
    counted bigint;
begin
    if length(name) not between 1 and 400 then
        perform invalid('name', name, 'use 1 to 400 characters');
    elsif (threshold between 1 and 100000) is not true then
        perform invalid('threshold', threshold::text, 'use 1 to 100000 dead letters');
    elsif (low >= 0 and low < threshold) is not true then
        perform invalid('low', low::text, 'use a number that is smaller than the threshold');
    end if;
    execute 'select count(*) from (select ' || dead_source(checked) || ' limit $2) s' into counted
      using filter_of(checked), threshold;
    if counted <= low and is_over then
        update dead_alert a set is_over = false, changed_at = clock_timestamp() where a.name = name;
    elsif counted >= threshold and not is_over then
        insert into dead_alert as a values (name, true, clock_timestamp())
            on conflict on constraint dead_alert_pkey do update set is_over = true, changed_at = excluded.changed_at
            where not a.is_over;
        if found then  -- of several that ask at once one only
            execute 'select count(*) ' || dead_source(checked) into counted using filter_of(checked);
            return counted;
        end if;
    end if;
    return null;
end $$;
