-- lock_buckets: takes the buckets of these keys, but for those that another claimer has, and says what they hold; see bucket_set.
-- Called by: claim_lanes, claim_gated, open_keys. Writes: bucket (one that is missing), permit (those of jobs that are over).
-- Locks: buckets, SKIP LOCKED: it never waits, so it takes part in no deadlock. Returns NULL when it got none.
-- The clock is read last: the times of one bucket only grow, so the starts under it, stamped with `at`, keep burst + rate * T.
create function lock_buckets(keys text[]) returns bucket_set
language plpgsql as $$
#variable_conflict use_column
declare
    held    bucket_set;
    missing text[];
    since   timestamptz[];
begin
    for look in 1 .. 2 loop
        select array_agg(k.key), array_agg(b.at), array_agg(coalesce(b.tokens, d.burst, 1)), array_agg(b.refilled_at),
               array_agg(coalesce(d.max_running, 'infinity'::float8)), array_agg(d.per_second), array_agg(coalesce(d.burst, 1)),
               array_agg(coalesce(d.count_cost, false)), array_agg(coalesce(d.weight, 1)), array_agg(d.max_running is not null),
               array_agg(b.oldest_claim), array_agg(p.until), array_agg(d.per), array_agg(b.saving),
               array_agg((b.saving).lane), array_agg(0::float8)
          into held.keys, held.rows, held.tokens, since, held.places, held.rates, held.bursts, held.count_cost, held.weights,
               held.counted, held.oldest, held.opens_at, held.periods, held.savings, held.saved_for, held.kept
          from unnest(keys) as k(key)
         cross join lateral (
               select ctid as at, tokens, refilled_at, oldest_claim, saving from bucket
                where key = k.key order by refilled_at desc limit 1 for no key update skip locked) b
          left join lateral (select * from limit_of(k.key)) d on true
          left join lateral (  -- now(), which an index can be asked for: what opens meanwhile does no harm
               select max(until) as until
                 from parking where key in (k.key, split_part(k.key, ':', 1)) and until > now()) p on true;
        exit when look = 2 or cardinality(held.keys) = cardinality(keys);
        select array_agg(k.key order by k.key) into missing
          from unnest(keys) as k(key) where not exists (select from bucket where key = k.key);
        exit when missing is null;
        perform add_buckets(missing);
    end loop;
    if held.keys is null then
        return null;
    end if;
    if true = any (held.counted) then
        held := count_places(held);
    end if;
    held.at := clock_timestamp();
    if held.at < any (since) then  -- it was set back: from here on the bucket is refilled again
        update bucket set refilled_at = held.at, saving = null where ctid = any (held.rows) and refilled_at > held.at;
        return lock_buckets(keys);
    end if;
    for p in 1 .. cardinality(held.keys) loop
        if held.opens_at[p] > held.at then
            held.tokens[p] := 0;
        else
            held.opens_at[p] := null;
            if held.saved_for[p] is null then
                null;
            elsif is_saving(held.savings[p], held.at, held.rates[p], held.bursts[p], held.count_cost[p]) then
                held.kept[p] := kept_at(held.savings[p], held.rates[p], held.at);
            else
                held.savings[p] := null;
                held.saved_for[p] := null;
            end if;
            held.tokens[p] := case when held.rates[p] is null then 'infinity'
                                   else refilled(held.tokens[p], held.rates[p], held.bursts[p], since[p], held.at) end;
        end if;
    end loop;
    return held;
end $$;

-- refilled: the tokens of a bucket at a time, from those it had at another; NULL = full. Time that runs backwards adds none.
-- Called by: lock_buckets, claim_gated, is_open, tidy_lanes. Inlined, hence no settings. Writes: nothing.
create function refilled(tokens float8, per_second float8, burst float8, since timestamptz, at timestamptz) returns float8
language sql immutable as $$
    select least(burst, coalesce(tokens, burst) + per_second * greatest(0, extract(epoch from at - since)::float8))
$$;

-- limit_of: what a key means: its own row of limit_def, or that of its name; none when it limits nothing.
-- Called by: lock_buckets, free_keys, keys_to_park, is_open, tidy_lanes, refund. Inlined, hence no settings.
create function limit_of(its_key text) returns table (
    name text, rate float8, per interval, per_second float8, burst float8, count_cost bool, max_running int, weight int,
    changed_at timestamptz
)
language sql stable as $$
    select d.name, case when d.enabled then d.rate end, case when d.enabled then d.per end,
           case when d.enabled then d.per_second end, d.burst, d.count_cost,
           case when d.enabled then d.max_running end, d.weight, d.changed_at
      from limit_def d where d.name in (its_key, split_part(its_key, ':', 1)) order by d.name = its_key desc limit 1
$$;

-- count_places: takes off what running jobs hold. Called by: lock_buckets, in a statement after the locks: its snapshot has every
-- claim that was made under an earlier lock. Writes: permit. A claim of a worker that is lost and not yet rescued does count.
-- No condition on the state of a job: a plan made while the tables were empty would walk all that runs.
create function count_places(held bucket_set) returns bucket_set
language plpgsql as $$
#variable_conflict use_variable
begin
    with used as materialized (
        select c.key, p.ctid as at, p.claimed_at, case
                   when p.lane_id is null then (
                       select count(*) from job j
                        where j.claim_token = p.claim_token and j.holds_place and j.queue = substr(c.key, 7))
                   else (select count(*) from job j
                          where j.claim_token = p.claim_token and j.lane_id = p.lane_id and j.holds_place)
               end as jobs
          from unnest(held.keys, held.oldest, held.counted) as c(key, oldest, counted)
         cross join lateral (
               select ctid, claimed_at, claim_token, lane_id from permit where key = c.key and claimed_at >= c.oldest offset 0) p
         where c.counted
    ), over as (
        delete from permit p where p.ctid = any (array(
            select q.ctid from used u join permit q on q.ctid = u.at where u.jobs = 0 for update of q skip locked))
    )
    select array_agg(s.places - u.jobs order by place),
           array_agg(case when s.counted then coalesce(u.oldest, clock_timestamp()) else s.oldest end order by place)
      into held.places, held.oldest
      from unnest(held.keys, held.places, held.counted, held.oldest) with ordinality as s(key, places, counted, oldest, place)
     cross join lateral (
           select coalesce(sum(jobs), 0) as jobs, min(claimed_at) filter (where jobs > 0) as oldest
             from used where used.key = s.key) u;
    return held;
end $$;

-- add_buckets: makes buckets for keys that have none, full. Called by: lock_buckets. Writes: bucket.
-- Locks: the row of `lock` of each key; skips the key if another transaction has that row, which is a matter of milliseconds.
create function add_buckets(keys text[]) returns void
language plpgsql as $$
declare
    missing text;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        -- Another snapshot could miss a bucket that was just created.
        raise exception 'jobs with limits are claimed in READ COMMITTED only' using errcode = 'feature_not_supported';
    end if;
    foreach missing in array keys loop
        if try_lock(lock_slot('bucket', missing)) then
            insert into bucket (key, refilled_at)
            select missing, clock_timestamp() where not exists (select from bucket b where b.key = missing);
        end if;
    end loop;
end $$;

-- pay: writes buckets that are held, if tokens or places were taken, and records which claims hold places.
-- Called by: claim_lanes, claim_gated. Writes: bucket, permit. held: as they are now; taken: of each; holder_*: of each new
-- permit.
create function pay(held bucket_set, taken float8[], token uuid, holder_keys text[], holder_lanes uuid[]) returns void
language plpgsql as $$
begin
    update bucket b
       set tokens = nullif(s.tokens, 'infinity'), refilled_at = held.at,
           oldest_claim = least(s.oldest, held.at), saving = s.saving, used_since = s.since,
           used = s.taken + case when b.used_since = s.since then b.used else 0 end
      from (select u.*, held.savings[u.place] as saving,
                   date_bin(coalesce(u.period, interval '1 min'), held.at, '2000-01-01') as since
              from unnest(held.rows, held.tokens, taken, held.oldest, held.periods) with ordinality
                as u(at, tokens, taken, oldest, period, place)) s
     -- Never a key that is parked: what it holds is not known here, nothing is taken of it, and its saving stays as it is.
     where (s.taken > 0 or s.saving is distinct from b.saving) and b.ctid = s.at;
    if holder_keys <> '{}' then
        insert into permit (key, claimed_at, claim_token, lane_id)
        select h.key, held.at, token, h.lane from unnest(holder_keys, holder_lanes) as h(key, lane);
    end if;
end $$;
