-- scale_pool: says how many workers of a pool shall run. Of those that are too many, idle ones end first, and no other before its
-- jobs are done. A pool that scales itself goes on from there, after its cooldown.
-- Called by: operators. Writes: pool, pool_event, audit_log. Locks: its row.
-- wanted: the number; change: so many more, or fewer if negative: give one of them.
-- Returns how many are wanted now. Raises PQ001 when that is outside of the pool's minimum and maximum, PQ003 when there is no
-- such pool, PQ004 when it is being deleted.
create function scale_pool(
    name text, wanted int default null, change int default null, by text default null, reason text default null
) returns int
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    old pool := hold_lasting_pool(name);
begin
    if (wanted is null) = (change is null) then
        perform invalid('wanted', wanted::text, 'give either wanted, a number of workers, or change, how many more or fewer');
    elsif change is null then
        perform check_wanted('wanted', wanted::text, wanted, old);
    elsif change not between -10000 and 10000 then
        perform invalid('change', change::text, 'use a number of workers from -10000 to 10000');
    else
        wanted := old.wanted + change;
        perform check_wanted('change', to_char(change, 'FMSG99999'), wanted, old);
    end if;
    if wanted <> old.wanted then
        perform store_wanted(old, wanted);
        perform audit('scale_pool', 'pool', name, by, reason, jsonb_build_object('wanted', old.wanted),
                      jsonb_build_object('wanted', wanted));
        perform note_pool(name, 'scaled', by, old.wanted, wanted, reason);
        perform tell_agents(name);
    end if;
    return wanted;
end $$;

-- store_wanted: writes how many workers of a pool shall run, and when that changed. Called by: scale_pool, save_pool.
-- Writes: pool, whose row its caller has locked.
create function store_wanted(old pool, new_wanted int) returns void
language sql as $$
    update pool
       set wanted = new_wanted,
           scaled_up_at = case when new_wanted > wanted then clock_timestamp() else scaled_up_at end,
           scaled_down_at = case when new_wanted < wanted then clock_timestamp() else scaled_down_at end
     where name = old.name
$$;
