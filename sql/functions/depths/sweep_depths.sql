-- sweep_depths: counts the live jobs of a large install for those who look at it: each part at most about once a second, and for
-- at most 1/50 of the time. Called by: workers. Writes: depth, depth_sample. Locks: a row of `lock`, so one
-- counts at a time; nobody waits.
-- Returns in how many seconds to call it again; NULL: the install is small, see is_large.
create function sweep_depths() returns float8
language plpgsql security definer set search_path from current as $$
begin
    if not is_large() then
        return null;
    end if;
    if not try_lock('depths') then
        return 1;
    end if;
    if count_due_in('waiting') <= 0 then
        perform sample_depths();
    elsif count_due_in('active') <= 0 then
        perform sample_active();
    end if;
    return greatest(least(count_due_in('waiting'), count_due_in('active')), 0.1);
end $$;

-- count_due_in: in how many seconds a part is to be counted again. Called by: sweep_depths. Writes: nothing.
create function count_due_in(of_part text) returns float8
language sql as $$
    select coalesce((
        select case when counted_at > clock_timestamp() then 0  -- the clock was set back
                    else extract(epoch from counted_at + depth_pause(took) - clock_timestamp())::float8 end
          from depth_sample where part = of_part order by counted_at desc limit 1), 0)
$$;
