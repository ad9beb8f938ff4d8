-- save_tokens: keeps tokens for a lane whose next job needs more than there are, in all of its keys that have a rate: it starts
-- when the last of them has enough. Cheaper jobs of other lanes would take each token as it comes; they may take of a key what
-- will have come again by that time. needs: of each of its keys; NULL = it needs nothing any more.
-- Called by: claim_lanes, which holds all these buckets and writes them. Writes: nothing. Returns the buckets as they are then.
-- A bucket keeps for one lane. A lane takes its keys in their order and stops before one that keeps for another, so no two lanes
-- wait for each other. It begins only where nothing but tokens is missing, and keeps what it has while a place is missing.
-- Nothing is kept for a lane one of whose keys is parked.
create function save_tokens(held bucket_set, lane lane_turn, needs float8[]) returns bucket_set
language plpgsql as $$
declare
    p        int;
    wait     float8 := 0;     -- seconds until all keys have enough
    has_room bool := true;    -- a place in all keys
    may      bool := true;    -- no key before this one keeps for another lane
    ready_at timestamptz;
begin
    for i in 1 .. cardinality(lane.keys) loop
        p := array_position(held.keys, lane.keys[i]);
        if held.opens_at[p] is not null then
            needs := null;
        end if;
        has_room := has_room and held.places[p] >= 1;
        if held.rates[p] is not null then
            wait := greatest(wait, (needs[i] - held.tokens[p]) / held.rates[p]);
            if held.saved_for[p] <> lane.lane_id then  -- after that lane
                wait := greatest(wait, (needs[i] + (held.savings[p]).tokens - held.tokens[p]) / held.rates[p],
                                 extract(epoch from (held.savings[p]).ready_at - held.at)::float8);
            end if;
        end if;
    end loop;
    ready_at := held.at + make_interval(secs => least(wait, 2592000));  -- a month; it is looked at again then
    for i in 1 .. cardinality(lane.keys) loop
        p := array_position(held.keys, lane.keys[i]);
        continue when held.rates[p] is null or held.opens_at[p] is not null;
        may := may and (held.saved_for[p] is null or held.saved_for[p] = lane.lane_id);
        if needs is null and held.saved_for[p] = lane.lane_id then
            held.savings[p] := null;
            held.saved_for[p] := null;
            held.kept[p] := 0;
        elsif needs is not null and (held.saved_for[p] = lane.lane_id or may and has_room) then
            -- The next claim comes a moment later; a place may take as long as a job does.
            held.savings[p] := row(lane.lane_id, needs[i], ready_at,
                                   ready_at + case when has_room then interval '1 s' else interval '10 min' end)::saving;
            held.saved_for[p] := lane.lane_id;
            held.kept[p] := kept_at(held.savings[p], held.rates[p], held.at);
        end if;
    end loop;
    return held;
end $$;

-- last_to_open: of the keys that a lane lacks, as places in held, the one that saves for it and has enough last.
-- Called by: claim_lanes. Writes: nothing.
create function last_to_open(held bucket_set, lane lane_turn, lacking int[]) returns int
language sql stable as $$
    select p from unnest(lacking) as l(p)
     where held.saved_for[p] = lane.lane_id and held.tokens[p] < (held.savings[p]).tokens
     order by ((held.savings[p]).tokens - held.tokens[p]) / held.rates[p] desc limit 1
$$;

-- kept_at: how many tokens others may not take at a time: all that are needed, but for those that come until it is ready.
-- Called by: lock_buckets, save_tokens, opening_of, is_open. Writes: nothing.
create function kept_at(its saving, per_second float8, at timestamptz) returns float8
language sql immutable as $$
    select greatest(0, its.tokens - per_second * greatest(0, extract(epoch from its.ready_at - at)::float8))
$$;

-- is_saving: whether tokens are still kept: the next job of that lane needs this many, none of its keys is parked for longer,
-- and it is not over. So functions that cancel, change or move a job, or change a limit, need not know of it.
-- Called by: lock_buckets, sweep_keys. Writes: nothing.
create function is_saving(its saving, at timestamptz, per_second float8, burst float8, count_cost bool) returns bool
language sql stable as $$
    select per_second is not null and its.until > at and exists (
        select from (select cost, limits from job where lane_id = its.lane and state = 'ready'
                      order by priority desc, run_at, id limit 1) j
         where its.tokens = case when count_cost then least(coalesce(j.cost, 1), burst) else 1 end
           and not exists (select from unnest(j.limits) as k(key), parking p
                            where p.key in (k.key, split_part(k.key, ':', 1)) and p.until > greatest(its.ready_at, at)))
$$;
