-- open_keys: lets lanes back into the line that are parked behind keys whose time has come, as many as each can serve now.
-- Called by: claim_lanes. Writes: turn; see lock_buckets. Locks: turns, buckets, SKIP LOCKED.
create function open_keys(in_queue text, now_ timestamptz) returns void
language plpgsql as $$
declare
    ids    bigint[];
    keys   text[];
    held   bucket_set;
    begins record;
begin
    select * into begins from line_begins(in_queue, now_);
    select array_agg(t.id), array_agg(distinct t.key) into ids, keys
      from (select t.id, t.key from turn t
             where t.queue = in_queue and t.lane_id is null and t.due_at between begins.keys_at and now_
             order by t.due_at limit 64 for update skip locked) t;
    if ids is null then
        return;
    end if;
    held := lock_buckets(keys);
    if cardinality(ids) = 64 then  -- others may stand behind those that another claimer has
        update turn t set due_at = clock_timestamp() where t.id = any (ids) and t.key <> all (coalesce(held.keys, '{}'));
    end if;
    if held is null then  -- the turns stay due
        return;
    end if;
    delete from turn t where t.id = any (ids) and t.key = any (held.keys);
    -- First the lanes that keys have saved for.
    update turn t set key = null, due_at = least(greatest(t.due_at, begins.starts_at), now_)
     where t.id = any (array(select u.id from turn u
                              where u.lane_id = any (array(select s.lane from unnest(held.savings) as s
                                                      where s.ready_at <= held.at))
                                and u.key = any (held.keys) and u.queue = in_queue
                                for update skip locked));
    with opened as (
        select k.key, k.i, greatest(0, least(64, floor(held.tokens[k.i] - held.kept[k.i]), held.places[k.i]))::int as n
          from unnest(held.keys) with ordinality as k(key, i)
    ), back as (
        -- Neither before the begin of the line, nor in the future.
        update turn t set key = null, due_at = least(greatest(t.due_at, begins.starts_at), now_)
          from (select p.id, o.key from opened o
                 cross join lateral (
                       -- If the clock was set back, those parked before that lie in the future: they have waited longest.
                       select t.id from (
                              select id from turn
                               where key = o.key and lane_id is not null and queue = in_queue
                                 and due_at > now_ + interval '1 second'
                               order by due_at limit o.n for update skip locked) t
                       union all
                       select t.id from (
                              select id from turn
                               where key = o.key and lane_id is not null and queue = in_queue
                                 and due_at <= now_ + interval '1 second'
                               order by due_at limit o.n for update skip locked) t
                       limit o.n) p) p
         where t.id = any (array[p.id]) returning p.key
    ), counted as (
        select o.key, o.i, o.n, (select count(*) from back b where b.key = o.key) as came from opened o
    )
    select array_agg(key), array_agg(opening_of(held, i::int, n + 1, true)) into keys, held.oldest
      from counted where came = n;  -- others are parked still, or may be
    perform look_at_keys(in_queue, keys, held.oldest, held.at);
end $$;

-- opening_of: when a key is to be looked at again that lacks tokens, or places: those are announced by free_keys, which does not
-- see a lane that is being parked in this moment: so once after 50 ms, unless jobs were taken here whose end will see it
-- (announced). At least 20 ms ahead, or half of what its burst takes to come, so that a fast key is served in batches.
-- Called by: claim_lanes, claim_gated, open_keys. Writes: nothing.
create function opening_of(held bucket_set, p int, tokens float8, announced bool) returns timestamptz
language sql stable as $$
    select case when held.opens_at[p] is not null then held.opens_at[p]
                when held.places[p] < 1 then case when not announced then held.at + interval '50 ms' end
                when held.rates[p] is null then held.at
                else (select case when held.saved_for[p] is not null
                                       and kept_at(held.savings[p], held.rates[p], o.at) > 0  -- what comes is kept
                                  then greatest((held.savings[p]).ready_at, held.at + interval '20 ms') else o.at end
                        -- At most a month: looking too early does no harm.
                        from (select held.at + make_interval(secs => least(2592000, greatest(
                                  (tokens - held.tokens[p]) / held.rates[p],
                                  least(0.02, held.bursts[p] / held.rates[p] / 2)))) as at) o) end
$$;

-- look_at_keys: makes turns of keys, unless there are some by then. Called by: claim_lanes, open_keys. Writes: turn.
create function look_at_keys(in_queue text, keys text[], opens_at timestamptz[], now_ timestamptz) returns void
language plpgsql as $$
begin
    if keys <> '{}' then
        insert into turn (queue, key, due_at)
        select in_queue, s.key, min(s.opens_at) from unnest(keys, opens_at) as s(key, opens_at)
         where s.opens_at is not null
           -- Not "and t.lane_id is null": a plan would walk all keys. What is parked has been due before.
           and not exists (select from turn t where t.key = s.key and t.queue = in_queue
                                               and t.due_at > now_ and t.due_at < s.opens_at + interval '5 ms')
         group by s.key;
    end if;
end $$;
