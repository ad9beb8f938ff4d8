-- lane_quotas: how many jobs each lane may have at most: its share of `want` by weight, or what is left of its last one, within
-- the tokens and places of its keys, promised in the order of the line. NULL: another claimer has one of its keys; 0: a key is
-- shut, or all of it is promised to lanes further in front.
-- Called by: claim_lanes. Writes: nothing.
create function lane_quotas(line lane_turn[], held bucket_set, want int, out quotas int[], out shares int[])
language plpgsql as $$
declare
    weights  float8[] := '{}';
    sums     float8[] := array_fill(0::float8, array[cardinality(held.keys)]);  -- of each key: the weights of its lanes
    room     float8[] := '{}';                                                  -- of each key: jobs not yet promised
    lane     lane_turn;
    share    float8 := 0;
    upto     float8;
    quota    float8;
    p        int;
    its_key  text;
begin
    for i in 1 .. cardinality(held.keys) loop
        room[i] := floor(least(held.tokens[i] - held.kept[i], held.places[i]));
    end loop;
    for i in 1 .. cardinality(line) loop
        lane := line[i];
        weights[i] := 1;
        foreach its_key in array lane.keys loop
            weights[i] := least(1000000, weights[i] * coalesce(held.weights[array_position(held.keys, its_key)], 1));
        end loop;
        foreach its_key in array lane.keys loop
            p := array_position(held.keys, its_key);
            if p is not null then
                sums[p] := sums[p] + weights[i];
            end if;
        end loop;
        share := share + weights[i];
    end loop;
    share := greatest(1, want / share);
    -- Shares are rounded so that they make up `want`, each lane's up as often as it ought to be.
    upto := random();

    for i in 1 .. cardinality(line) loop
        lane := line[i];
        quota := case when lane.credit > 0 and share = 1 then lane.credit else floor(upto + weights[i] * share) - floor(upto) end;
        upto := upto + weights[i] * share;
        foreach its_key in array lane.keys loop
            p := array_position(held.keys, its_key);
            if p is null then
                quota := null;
                exit;
            end if;
            quota := least(quota, greatest(weights[i], floor(least(held.tokens[p], held.places[p]) * weights[i] / sums[p])),
                           greatest(0, case when held.saved_for[p] = lane.lane_id
                                            then floor(least(held.tokens[p], held.places[p])) else room[p] end));
        end loop;
        shares[i] := least(quota, 1000000);
        quotas[i] := case when quota is not null then least(quota, want) end;
        if quotas[i] > 0 then
            want := want - quotas[i];
            foreach its_key in array lane.keys loop
                p := array_position(held.keys, its_key);
                room[p] := room[p] - quotas[i];
            end loop;
        end if;
    end loop;
end $$;

-- affordable: how many of the first n jobs a bucket pays for. One that costs more than the burst needs a full bucket, and leaves
-- it below nothing: so no job waits forever, and the rate still holds.
-- Called by: claim_lanes. Writes: nothing.
create function affordable(costs int[], n int, tokens float8, burst float8) returns int
language plpgsql immutable as $$
begin
    for i in 1 .. n loop
        if tokens < least(coalesce(costs[i], 1), burst) then
            return i - 1;
        end if;
        tokens := tokens - coalesce(costs[i], 1);
    end loop;
    return n;
end $$;

-- payable: what jobs take of a bucket: their costs, but each no more than its limit pays in a period, see most_cost: it may have
-- been another limit when they were enqueued. Called by: claim_lanes. Writes: nothing.
create function payable(costs int[], held bucket_set, p int) returns int[]
language plpgsql immutable as $$
declare
    most float8 := most_cost(held.rates[p], held.periods[p], held.bursts[p]);
begin
    if most is null or not exists (select from unnest(costs) as c(cost) where c.cost > most) then
        return costs;
    end if;
    return array(select least(c.cost, floor(most)) from unnest(costs) as c(cost));
end $$;
