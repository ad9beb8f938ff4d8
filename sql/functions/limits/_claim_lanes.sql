-- claim_lanes: adds to `took` up to `want` ready jobs out of the lanes of one queue, within their limits; the lanes take turns.
-- Called by: claim, claim_gated; claim makes the jobs running and stamps them with took.ats, by which limits are kept.
-- Writes: turn, bucket, permit. Locks: turns, buckets, job rows, in this order; all SKIP LOCKED, so claimers never wait for each
-- other.
--
-- Each step is one statement for all lanes:
--   1  lanes at the front of the line
--   2  their buckets; a lane is served only if all of its keys are held: all limits or none
--   3  each lane's quota, by weight, within the tokens and places of its keys (lane_quotas, in memory)
--   4  that many jobs, and one more, which shows whether there are others and what they cost
--   5  what of that the tokens pay for; a lane then stays in line, is parked behind a key that is shut, or has no more jobs
-- Jobs of paused tasks are passed over: a lane that has no others leaves the line, and sweep_lanes lets it back in. One with jobs
-- that this worker leaves out stays: others have their tasks.
-- At most one suspect is taken, if took.suspect says so (see pick_suspect); a lane stops in front of one.
create function claim_lanes(took limited_jobs, in_queue text, want int, token uuid) returns limited_jobs
language plpgsql as $$
#variable_conflict use_variable
declare
    most     constant int := least(32, greatest(8, want / 48));  -- lanes: many of a few jobs each cost more than fewer with more
    started  constant timestamptz := clock_timestamp();
    begins   constant timestamptz := (select starts_at from line_begins(in_queue, started));
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
    needs    float8[];         -- of each of its keys
    free     float8;           -- tokens that are not kept for another lane
    is_saved bool;             -- tokens are kept for it
    lacking  int[];            -- the keys that the lane waits for, by their places in held
    shut     int;              -- the one behind which it is parked: rather one without a place, for its tokens can be saved
    p        int;
    its_key  text;
    counted  bool;
    barred   bool;             -- its next job is a suspect that may not be taken here
    cut      bool;             -- not every lane had its turn: those that had one go to the end of the line
    taken    float8[];
    its_turn lane_turn;        -- the lane's next one
    moved    lane_turn[] := '{}';
    gone     bigint[] := '{}'; -- turns that are over
    opening  text[] := '{}';   -- keys to look at, and when
    opens_at timestamptz[] := '{}';
    holders  text[] := '{}';
    holding  uuid[] := '{}';
begin
    if want < 1 then
        return took;
    end if;
    perform open_keys(in_queue, started);

    -- 1: the lanes at the front of the line.
    select f.line, f.cut into line, cut from front_of_line(in_queue, begins, started, most) f;
    if begins = '-infinity' and clock_timestamp() - started > interval '2 ms' then
        perform note_line_start(in_queue);
    end if;
    if line is null then
        return took;
    end if;

    -- 2: their buckets.
    held := lock_buckets(array(select distinct k.key from unnest(line) as l, unnest(l.keys) as k(key)));
    if held is null then
        if cut then  -- others, which are not in other hands, may stand behind them
            update turn t set due_at = clock_timestamp()
             where t.id = any (array(select u.id from unnest(line) as l, unnest(l.ids) as u(id)));
        end if;
        return took;
    end if;

    -- 3: the quota of each lane.
    taken := array_fill(0::float8, array[cardinality(held.keys)]);
    select q.quotas, q.shares into quotas, shares from lane_quotas(line, held, want) q;
    if cut and array_position(quotas, null) is not null then
        update turn t set due_at = held.at
         where t.id = any (array(select unnest((line[i]).ids) from generate_subscripts(quotas, 1) as i where quotas[i] is null));
    end if;
    cut := cut or 0 = any (quotas);

    -- 4: that many jobs of each lane, and one more.
    for got in
        select l.i, j.*, l.quota > 0 and e.ended - b.began > interval '500 us' + interval '10 us' * l.quota as is_slow
          from (select i, (line[i]).lane_id, quotas[i] as quota,
                       case when (line[i]).whole_at is null then '-infinity' else (line[i]).lo end as lo
                  from generate_subscripts(quotas, 1) as i where quotas[i] is not null) l
         -- The time before and after the jobs of each lane are looked at.
         cross join lateral (select clock_timestamp() as began where l.i > 0 offset 0) b
         cross join lateral (
               select array_agg(j.row) as rows, array_agg(j.cost) as costs, max(j.cost) as most_cost,
                      array_agg(j.rescues >= 2) as suspects, min(j.run_at) as oldest,
                      coalesce(sum(j.args_bytes), 0) as bytes
                 from (select j.ctid as row, coalesce(j.cost, 1) as cost, j.rescues, j.run_at, j.args_bytes from job j
                        where l.quota > 0 and b.began is not null and j.lane_id = l.lane_id
                          and j.state = 'ready' and j.run_at >= l.lo
                          and (took.paused is null or j.task <> all (took.paused))
                          and may_start(j.expires_at, j.deadline_at, j.attempt)
                        order by j.priority desc, j.run_at, j.id limit l.quota + 1 for no key update skip locked) j) j
         cross join lateral (select clock_timestamp() as ended where j.rows is null or cardinality(j.rows) > 0 offset 0) e
         order by l.i
    loop
        -- 5: how many of them its keys pay for.
        lane := line[got.i];
        n := least(coalesce(cardinality(got.rows), 0), quotas[got.i]);
        barred := false;
        p := array_position(got.suspects, true);
        if p is not null then
            n := least(n, case when p = 1 and took.suspect then 1 else p - 1 end);
            took.suspect := took.suspect and not (p = 1 and n = 1);
            barred := n = p - 1;
        end if;
        costs := case when got.most_cost > 1 then got.costs end;  -- NULL: all of them cost 1
        foreach its_key in array lane.keys loop
            p := array_position(held.keys, its_key);
            free := held.tokens[p] - case when held.saved_for[p] <> lane.lane_id then held.kept[p] else 0 end;
            n := least(n, held.places[p], case when costs is not null and held.count_cost[p]
                                               then affordable(payable(costs, held, p), n, free, held.bursts[p])
                                               else floor(free) end);
        end loop;
        n := greatest(n, 0);
        if n > 0 and coalesce(took.bytes, 0) + got.bytes > claim_bytes() then
            select f.n, f.bytes, f.n < n or took.is_cut into n, got.bytes, took.is_cut
              from fitting_rows(got.rows[:n], coalesce(took.bytes, 0), took.jobs = '{}') f;
        end if;

        -- What they cost, and the keys that lack tokens or places for the next one.
        lacking := '{}';
        shut := null;
        needs := '{}';
        counted := null;
        is_saved := lane.lane_id = any (held.saved_for);
        if is_saved and quotas[got.i] = 0 then  -- it was not looked at: what does it cost?
            costs := array(select coalesce(j.cost, 1) from job j where j.lane_id = lane.lane_id and j.state = 'ready'
                              and (took.paused is null or j.task <> all (took.paused))
                              and may_start(j.expires_at, j.deadline_at, j.attempt)
                            order by j.priority desc, j.run_at, j.id limit 1);
        end if;
        foreach its_key in array lane.keys loop
            p := array_position(held.keys, its_key);
            spent := n;
            need := 1;
            if costs is not null and held.count_cost[p] then
                spent := (select coalesce(sum(c.cost), 0) from unnest((payable(costs, held, p))[:n]) as c(cost));
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
            needs := needs || need;
            free := held.tokens[p] - case when held.saved_for[p] <> lane.lane_id then held.kept[p] else 0 end;
            if free < need or held.places[p] < 1 then
                shut := case when shut is null or held.places[shut] >= 1 and held.places[p] < 1 then p else shut end;
                lacking := lacking || p;
            end if;
        end loop;
        if is_saved or n = 0 and shut is not null and 1 < any (needs) then
            -- Others would take each token as it comes.
            held := save_tokens(held, lane, case when n = 0 and (got.rows is not null or costs <> '{}') then needs end);
            shut := coalesce(last_to_open(held, lane, lacking), shut);
        end if;
        if n > 0 then
            took.jobs := took.jobs || got.rows[:n];
            took.places := took.places || array_fill(counted, array[n]);
            took.ats := took.ats || array_fill(held.at, array[n]);
            took.bytes := coalesce(took.bytes, 0) + got.bytes;
        end if;

        -- Where the lane goes: it stays in line, is parked, or has no more jobs.
        its_turn := lane;
        its_turn.credit := 0;
        its_turn.due_at := case when barred then held.at + interval '50 ms'
                                when cut and quotas[got.i] > 0 then held.at
                                else lane.due_at end;
        -- Dead entries stand in front of its jobs: for a second the looks begin behind them.
        if got.is_slow and took.left_out is null then
            its_turn.whole_at := coalesce(lane.whole_at, held.at);
        end if;
        if quotas[got.i] > 0 and took.left_out is null then  -- else others have to look at what was passed over
            its_turn.lo := case when its_turn.whole_at is null then '-infinity' else coalesce(got.oldest, lane.lo) end;
        end if;
        if quotas[got.i] > 0 and coalesce(cardinality(got.rows), 0) <= n then  -- no more jobs
            if took.left_out is not null and exists (
                select from job j where j.lane_id = lane.lane_id and j.state = 'ready' and j.task = any (took.left_out)
            ) then
                null;  -- it stays in line
            elsif its_turn.whole_at is null then
                gone := gone || lane.ids;
                continue;
            else  -- some may stand in front of lo, but looking there is slow
                its_turn.due_at := greatest(held.at, its_turn.whole_at + interval '1 second');
                its_turn.lo := '-infinity';
                its_turn.whole_at := null;
            end if;
        elsif shut is not null then
            its_turn.due_at := case when n > 0 then held.at else lane.due_at end;  -- one that had nothing keeps its place
            its_turn.key := held.keys[shut];
            opening := opening || its_turn.key;
            opens_at := opens_at || opening_of(held, shut, needs[array_position(lane.keys, its_turn.key)], n > 0);
        elsif n = quotas[got.i] and n < shares[got.i] then  -- want was used up: the rest of its share comes first next time
            its_turn.due_at := lane.due_at;
            its_turn.credit := shares[got.i] - n;
        end if;
        if its_turn is distinct from lane or cardinality(lane.ids) > 1 then
            moved := moved || its_turn;
            gone := gone || lane.ids[2:];
        end if;
    end loop;

    -- All changes of all lanes.
    perform pay(held, taken, token, holders, holding);
    if gone <> '{}' then
        delete from turn t where t.id = any (gone);
    end if;
    if moved <> '{}' then
        update turn t set due_at = m.due_at, key = m.key, lo = m.lo, whole_at = m.whole_at, credit = m.credit
          from unnest(moved) as m where t.id = any (array[m.ids[1]]);
    end if;
    perform look_at_keys(in_queue, opening, opens_at, held.at);
    return took;
end $$;
