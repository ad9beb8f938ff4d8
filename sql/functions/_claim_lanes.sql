-- claim_lanes: adds to `took` up to `want` ready jobs out of the lanes of one queue, within their limits; the lanes take turns.
-- Called by: claim, claim_gated; claim makes the jobs running and stamps them with took.ats, by which limits are kept.
-- Writes: turn, bucket, permit. Locks, in this order, all SKIP LOCKED, so that claimers never wait for each other: turns, buckets, job
-- rows.
--
-- Each step is one statement for all lanes:
--   1  lanes at the front of the line, each with all its turns: who enqueues adds one each time, and here they become one
--   2  their buckets; a lane is served only if all of its keys are held: all limits or none
--   3  each lane's quota, by weight, within the tokens and places of its keys (lane_quotas, in memory)
--   4  that many jobs, and one more, which tells whether there are others and what they cost
--   5  what of that the tokens pay for; a lane then stays in line, is parked behind a key that is shut, or has no more jobs
-- At most one suspect is taken, if took.suspect says so (see pick_suspect); a lane stops in front of one.
create function claim_lanes(took limited_jobs, in_queue text, want int, token uuid) returns limited_jobs
language plpgsql as $$
#variable_conflict use_variable
declare
    most     constant int := least(32, greatest(8, want / 24));  -- lanes: many of a few jobs each cost more than fewer with more
    started  constant timestamptz := clock_timestamp();
    begins   constant timestamptz := line_begins(in_queue, started);
    line     lane_turn[];
    lane     lane_turn;
    held     bucket_set;
    quotas   int[];
    shares   int[];            -- what a lane could have had of a larger `want`
    got      record;
    n        int;              -- jobs of a lane that are taken
    costs    int[];
    spent    float8;
    need     float8;           -- tokens for the lane's next job
    its_need float8;           -- those that a key lacks
    shut     int;              -- the key that the lane waits for, by its place in held
    p        int;
    its_key  text;
    counted  bool;
    whole_at timestamptz;      -- dead entries stand in front of the lane's jobs: since this look at all of it it begins behind them
    barred   bool;             -- its next job is a suspect that may not be taken here
    cut      bool;             -- not every lane had its turn: those that had one go to the end of the line
    taken    float8[];
    due      timestamptz;      -- of a lane's next turn
    key      text;
    lo       timestamptz;
    credit   int;
    ids      bigint[] := '{}'; -- of turns, and what becomes of them
    dues     timestamptz[] := '{}';
    keys     text[] := '{}';
    los      timestamptz[] := '{}';
    wholes   timestamptz[] := '{}';
    credits  int[] := '{}';
    gone     bigint[] := '{}';
    opening  text[] := '{}';   -- keys to look at, and when
    opens_at timestamptz[] := '{}';
    holders  text[] := '{}';
    holding  uuid[] := '{}';
begin
    if want < 1 then
        return took;
    end if;
    perform open_keys(in_queue, started);
    with front as materialized (
        select t.lane_id from turn t
         where t.queue = in_queue and t.key is null and t.due_at between begins and started order by t.due_at limit most for update skip locked
    )
    select array_agg((l.lane_id, l.keys, l.ids, l.due_at, l.lo, l.whole_at, l.credit)::lane_turn order by l.due_at),
           (select count(*) = most from front)
      into line, cut
      from (select t.lane_id, min(t.keys) as keys, array_agg(t.id) as ids, min(t.due_at) as due_at, min(t.lo) as lo, max(t.whole_at) as whole_at, max(t.credit) as credit
              from (select t.* from (select distinct f.lane_id from front f) f
                      join turn t on t.lane_id = f.lane_id for update of t skip locked) t
             group by t.lane_id) l;
    if begins = '-infinity' and clock_timestamp() - started > interval '2 ms' and line is not null then
        insert into line_start (queue, starts_at, seen_at) values (in_queue, line[1].due_at, started);
    end if;
    if line is null then
        return took;
    end if;
    held := lock_buckets(array(select distinct k.key from unnest(line) as l, unnest(l.keys) as k(key)));
    if held is null then
        return took;
    end if;
    taken := array_fill(0::float8, array[cardinality(held.keys)]);
    select q.quotas, q.shares into quotas, shares from lane_quotas(line, held, want) q;
    cut := cut or 0 = any (quotas);

    for got in
        select l.i, j.*, clock_timestamp() - held.at > interval '5 ms' + interval '10 us' * want as is_slow
          from (select i, (line[i]).lane_id, (line[i]).lo, quotas[i] as quota from generate_subscripts(quotas, 1) as i where quotas[i] is not null) l
         cross join lateral (
               select array_agg(j.row) as rows, max(j.cost) as most_cost, max(j.rescues) as most_rescues, min(j.run_at) as oldest
                 from (select j.ctid as row, j.cost, j.rescues, j.run_at from job j
                        where l.quota > 0 and j.lane_id = l.lane_id and j.state = 'ready' and j.run_at >= l.lo
                        order by j.priority desc, j.run_at, j.id limit l.quota + 1 for no key update skip locked) j) j
         order by l.i
    loop
        lane := line[got.i];
        n := least(coalesce(cardinality(got.rows), 0), quotas[got.i]);
        barred := false;
        if got.most_rescues >= 2 then
            p := (select min(r.place) from unnest(got.rows) with ordinality as r(row, place) join job j on j.ctid = r.row where j.rescues >= 2);
            n := least(n, case when p = 1 and took.suspect then 1 else p - 1 end);
            took.suspect := took.suspect and not (p = 1 and n = 1);
            barred := n = p - 1;
        end if;
        costs := null;                         -- all of them cost 1
        if got.most_cost > 1 then
            costs := array(select coalesce(j.cost, 1) from unnest(got.rows) with ordinality as r(row, place)
                             join job j on j.ctid = r.row order by r.place);
        end if;
        foreach its_key in array lane.keys loop
            p := array_position(held.keys, its_key);
            n := least(n, held.places[p], case when costs is not null and held.count_cost[p]
                                               then affordable(costs, n, held.tokens[p], held.bursts[p]) else floor(held.tokens[p]) end);
        end loop;
        n := greatest(n, 0);
        shut := null;
        counted := null;
        foreach its_key in array lane.keys loop
            p := array_position(held.keys, its_key);
            spent := n;
            need := 1;
            if costs is not null and held.count_cost[p] then
                spent := (select coalesce(sum(c.cost), 0) from unnest(costs[:n]) as c(cost));
                need := least(coalesce(costs[n + 1], 1), held.bursts[p]);
            end if;
            if n > 0 then
                held.tokens[p] := held.tokens[p] - spent;
                held.places[p] := held.places[p] - n;
                if held.counted[p] then
                    counted := true;
                    holders := holders || its_key;
                    holding := holding || lane.lane_id;
                end if;
                if held.counted[p] or held.rates[p] is not null then
                    taken[p] := taken[p] + spent;
                end if;
            end if;
            if held.tokens[p] < need or held.places[p] < 1 then
                shut := p;
                its_need := need;
            end if;
        end loop;
        if n > 0 then
            took.jobs := took.jobs || got.rows[:n];
            took.places := took.places || array_fill(counted, array[n]);
            took.ats := took.ats || array_fill(held.at, array[n]);
        end if;

        due := case when barred then held.at + interval '50 ms' when cut and quotas[got.i] > 0 then held.at else lane.due_at end;
        key := null;
        whole_at := case when lane.whole_at is not null then lane.whole_at when got.is_slow then held.at end;
        lo := case when quotas[got.i] = 0 then lane.lo when whole_at is not null then coalesce(got.oldest, lane.lo) else '-infinity' end;
        credit := 0;
        if quotas[got.i] > 0 and coalesce(cardinality(got.rows), 0) <= n then  -- no more jobs
            if whole_at is null then
                gone := gone || lane.ids;
                continue;
            end if;
            due := greatest(held.at, whole_at + interval '1 second');  -- there may be some in front of `lo`, but looking there is slow
            lo := '-infinity';
            whole_at := null;
        elsif shut is not null then
            due := held.at;
            key := held.keys[shut];
            opening := opening || key;
            opens_at := opens_at || opening_of(held, shut, its_need, n > 0);
        elsif n = quotas[got.i] and n < shares[got.i] then  -- want was used up: the rest of its share comes first next time
            due := lane.due_at;
            credit := shares[got.i] - n;
        end if;
        if (due, key, lo, whole_at, credit) is distinct from (lane.due_at, null, lane.lo, lane.whole_at, lane.credit)
           or cardinality(lane.ids) > 1 then
            ids := ids || lane.ids[1];
            dues := dues || due;
            keys := keys || key;
            los := los || lo;
            wholes := wholes || whole_at;
            credits := credits || credit;
            gone := gone || lane.ids[2:];
        end if;
    end loop;

    perform pay(held, taken, token, holders, holding);
    if gone <> '{}' then
        delete from turn t where t.id = any (gone);
    end if;
    if ids <> '{}' then
        update turn t set due_at = s.due, key = s.key, lo = s.lo, whole_at = s.whole_at, credit = s.credit
          from unnest(ids, dues, keys, los, wholes, credits) as s(id, due, key, lo, whole_at, credit) where t.id = any (array[s.id]);
    end if;
    perform look_at_keys(in_queue, opening, opens_at, held.at);
    return took;
end $$;

-- line_begins: no lane of the queue stands in line before this time; -infinity when that is not known. A turn that is committed late with
-- an earlier time is found when that is not known again, after a second. Called by: claim_lanes, next_turn.
create function line_begins(in_queue text, now_ timestamptz) returns timestamptz
language sql stable as $$
    select coalesce((select starts_at from line_start where queue = in_queue and seen_at > now_ - interval '1 second'
                      order by seen_at desc limit 1), '-infinity')
$$;

-- lane_quotas: how many jobs each lane may have at most: its share of `want` by weight, or what is left of its last one, within the
-- tokens and places of its keys, promised in the order of the line. NULL: another claimer has one of its keys; 0: a key is shut, or
-- all of it is promised to lanes further in front.
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
        room[i] := floor(least(held.tokens[i], held.places[i]));
    end loop;
    for i in 1 .. cardinality(line) loop
        lane := line[i];
        weights[i] := 1;
        foreach its_key in array lane.keys loop
            weights[i] := weights[i] * coalesce(held.weights[array_position(held.keys, its_key)], 1);
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
            quota := least(quota, greatest(room[p], 0), greatest(weights[i], floor(least(held.tokens[p], held.places[p]) * weights[i] / sums[p])));
        end loop;
        shares[i] := quota;
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

-- affordable: how many of the first n jobs a bucket pays for. One that costs more than the burst needs a full bucket, and leaves it
-- below nothing: so no job waits for ever, and the rate is kept all the same.
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

-- opening_of: when a key is to be looked at again that lacks tokens, or places: those are announced by free_keys, which does not see a
-- lane that is being parked in this moment: so once after 50 ms, unless jobs were taken here whose end will see it (announced).
-- At least 20 ms ahead, or half of what its burst takes to come, so that a fast key is served in batches.
-- Called by: claim_lanes, claim_gated, open_keys. Writes: nothing.
create function opening_of(held bucket_set, p int, tokens float8, announced bool) returns timestamptz
language sql stable as $$
    select case when held.opens_at[p] is not null then held.opens_at[p]
                when held.places[p] < 1 then case when not announced then held.at + interval '50 ms' end
                when held.rates[p] is null then held.at
                else held.at + make_interval(secs => greatest((tokens - held.tokens[p]) / held.rates[p],
                                                              least(0.02, held.bursts[p] / held.rates[p] / 2))) end
$$;

-- open_keys: lets lanes back into the line that are parked behind keys whose time has come, as many as each can serve now.
-- Called by: claim_lanes. Writes: turn; see lock_buckets. Locks: turns, buckets, SKIP LOCKED.
create function open_keys(in_queue text, now_ timestamptz) returns void
language plpgsql as $$
declare
    ids  bigint[];
    keys text[];
    held bucket_set;
begin
    select array_agg(t.id), array_agg(distinct t.key) into ids, keys
      from (select t.id, t.key from turn t where t.queue = in_queue and t.lane_id is null and t.due_at <= now_
             order by t.due_at limit 64 for update skip locked) t;
    if ids is null then
        return;
    end if;
    held := lock_buckets(keys);
    if held is null then  -- other claimers have them; the turns stay due
        return;
    end if;
    delete from turn t where t.id = any (ids) and t.key = any (held.keys);
    with opened as (
        select k.key, k.i, greatest(0, least(64, floor(held.tokens[k.i]), held.places[k.i]))::int as n
          from unnest(held.keys) with ordinality as k(key, i)
    ), back as (
        update turn t set key = null, due_at = greatest(t.due_at, line_begins(in_queue, now_))  -- earlier it would not be seen
          from (select p.id, o.key from opened o
                 cross join lateral (
                       select t.id from turn t
                        where t.key = o.key and t.lane_id is not null and t.queue = in_queue and t.due_at <= held.at
                        order by t.due_at limit o.n for update skip locked) p) p
         where t.id = any (array[p.id]) returning p.key
    ), counted as (
        select o.key, o.i, o.n, (select count(*) from back b where b.key = o.key) as came from opened o
    )
    select array_agg(key), array_agg(opening_of(held, i::int, n + 1, true)) into keys, held.oldest
      from counted where came = n;  -- others are parked still, or may be
    perform look_at_keys(in_queue, keys, held.oldest, held.at);
end $$;

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
