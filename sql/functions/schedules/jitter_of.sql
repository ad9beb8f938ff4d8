-- jitter_of: how long after its tick a job is due: from 0 to jitter seconds, by a hash, so that all workers and previews agree.
-- Called by: plan_ticks, fire_together; previews. Writes: nothing. The hash is of the name and the microseconds since 1970.
create function jitter_of(schedule text, tick timestamptz, jitter float8) returns interval
language sql immutable strict security definer set search_path from current as $$
    select make_interval(secs => jitter / 4294967296
        * ('x' || left(md5(schedule || ' ' || (extract(epoch from tick) * 1000000)::bigint), 8))::bit(32)::bigint)
$$;
