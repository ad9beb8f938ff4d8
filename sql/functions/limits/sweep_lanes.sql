-- sweep_lanes: repairs what two concurrent transactions, or manual changes, may have left: lanes with ready jobs that no claim
-- looks at, and lanes that are parked behind a key that is not looked at, or not in time since it was opened. Nothing is ever
-- lost, only
-- late: within seconds, and where tens of thousands of lanes wait within a minute.
-- Called by: workers, about once a second all together; people. Writes: turn, parking, line_start. Locks: nothing that others
-- wait for.
--
-- after    where the last call has stopped; NULL = from the begin
-- at_most  lanes to look at in this call, and keys
-- Returns the turns it made, and where to go on: NULL when it came to the end.
create function sweep_lanes(after text default null, at_most int default 5000, out repaired int, out next_after text)
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
declare
    behind_key text := substr(after, 5);
    keys       record;
begin
    repaired := 0;
    if after is null or after not like 'key:%' then
        behind_key := '';
        with recursive lane (id, n) as (
            (select j.lane_id, 1 from job j
              where j.state = 'ready' and j.lane_id is not null
                and j.lane_id > coalesce(after, '00000000-0000-0000-0000-000000000000')::uuid
              order by j.lane_id limit 1)
            union all
            select (select j.lane_id from job j
                     where j.state = 'ready' and j.lane_id is not null and j.lane_id > l.id order by j.lane_id limit 1), n + 1
              from lane l where l.id is not null and l.n < at_most
        ), missed as (
            insert into turn (queue, lane_id, keys, due_at)
            select j.queue, j.lane_id, j.limits, clock_timestamp()
              from lane l cross join lateral (
                   select queue, lane_id, limits from job where lane_id = l.id and state = 'ready' limit 1) j
             -- One in line is due; if not, the clock was set back.
             where not exists (select from turn t
                                where t.lane_id = l.id and (t.key is not null or t.due_at < clock_timestamp() + interval '5 s'))
            returning queue
        ), woken as (
            select wake(queue) from (select distinct queue from missed) q
        )
        select (select count(*) from missed) + 0 * (select count(*) from woken),
               (select l.id from lane l where l.n = at_most) into repaired, next_after;
        if next_after is not null then
            return;
        end if;
    end if;
    keys := sweep_keys(behind_key, at_most);
    repaired := repaired + keys.repaired;
    next_after := 'key:' || keys.next_after;
end $$;

-- sweep_keys: the part of sweep_lanes that looks at keys, and what is over in small tables. Called by: sweep_lanes. Writes: turn,
-- parking, line_start. Locks: turns, parking, SKIP LOCKED.
create function sweep_keys(after text, at_most int, out repaired int, out next_after text)
language plpgsql as $$
declare
    page     text[];
    look_all bool  -- limits were changed, keys opened, or the clock was set back: what turns say of keys may be too late
        := exists (select from parking where until between clock_timestamp() - interval '10 min' and clock_timestamp());
begin
    with recursive parked (key, n) as (
        (select t.key, 1 from turn t where t.key > after order by t.key limit 1)
        union all
        select (select t.key from turn t where t.key > p.key order by t.key limit 1), n + 1
          from parked p where p.key is not null and p.n < at_most
    )
    select array_agg(p.key order by p.n) into page from parked p where p.key is not null;
    next_after := page[at_most];
    with seen as materialized (
        select p.key, t.*
          from unnest(page) as p(key) cross join lateral (  -- by key alone: by "lane_id is null" a plan would walk all keys
               select queue,
                      bool_or(lane_id is null and due_at < clock_timestamp() + interval '1 s')
                      -- A lane that was parked in the future: the clock was set back since.
                      or bool_or(lane_id is null) and not look_all
                         and not bool_or(lane_id is not null and due_at > clock_timestamp() + interval '1 s')
                      as is_watched,
                      count(*) filter (where lane_id is null and due_at < clock_timestamp()) as due
                 from (select queue, lane_id, due_at from turn where key = p.key offset 0) t
                group by queue) t
    ), missed as (
        insert into turn (queue, key, due_at)
        select s.queue, s.key, clock_timestamp() from seen s where not s.is_watched and is_open(s.key)
        union all
        -- What a bucket saves for is gone, or wants something else: others wait for nothing.
        select q.queue, b.key, clock_timestamp()
          from bucket b left join lateral limit_of(b.key) d on true cross join lateral waiting_queues(b.key) q
         where (b.saving).lane is not null and not is_saving(b.saving, clock_timestamp(), d.per_second, d.burst, d.count_cost)
           and not exists (
               select from turn t
                where t.key = b.key and t.queue = q.queue and t.lane_id is null and t.due_at < clock_timestamp())
        returning 1
    ), doubled as (  -- free_keys adds one each time, and a queue may have no worker that makes them one
        delete from turn t where t.id = any (array(
            select u.id from seen s cross join lateral (
                   select id from turn where key = s.key and queue = s.queue and lane_id is null and due_at < clock_timestamp()
                    order by due_at desc offset 1 for update skip locked) u
             where s.due > 1))
    )
    select count(*) into repaired from missed;
    delete from line_start s where s.seen_at < (select clock_timestamp()) - interval '10 seconds';
    delete from parking p where p.ctid = any (array(
        select q.ctid from parking q where q.until < (select clock_timestamp()) - interval '10 min'
         limit 10000 for update skip locked));
end $$;

-- is_open: whether a key has a token and a place and is not parked, as far as can be seen without a lock; after the clock was set
-- back, whether a claim must look: see lock_buckets. Called by: sweep_keys. Writes: nothing.
create function is_open(its_key text) returns bool
language sql stable as $$
    select not exists (select from parking where key in (its_key, split_part(its_key, ':', 1)) and until > clock_timestamp())
       and coalesce((
           select (d.rate is null or b.refilled_at > clock_timestamp()
                   or coalesce(refilled(b.tokens, d.per_second, d.burst, b.refilled_at, clock_timestamp())
                               - kept_at(b.saving, d.per_second, clock_timestamp()), d.burst) >= 1)
              and (d.max_running is null or d.max_running > (
                   select count(*) from (select distinct claim_token, lane_id from permit where key = its_key) p
                     join job j on j.claim_token = p.claim_token and j.lane_id = p.lane_id and j.holds_place))
             from limit_of(its_key) d
             left join lateral (
                  select tokens, refilled_at, saving from bucket where key = its_key
                   order by refilled_at desc limit 1) b on true), true)
$$;

-- tidy_lanes: deletes buckets that are as good as none, and permits of jobs that are over. Called by: prune. Writes: bucket,
-- permit.
-- Locks: those rows, SKIP LOCKED.
create function tidy_lanes() returns void
language sql set enable_bitmapscan = off set jit = off as $$
    delete from permit p where p.ctid = any (array(
        select q.ctid from permit q
         where q.claimed_at < (select clock_timestamp()) - interval '1 minute'
           and not exists (select from job j where j.claim_token = q.claim_token and j.holds_place)
           for update skip locked));
    delete from bucket b where b.ctid = any (array(
        select c.ctid from bucket c left join lateral limit_of(c.key) d on true
         where c.refilled_at < (select clock_timestamp()) - greatest(interval '1 minute', d.per)
           and (d.rate is null or refilled(c.tokens, d.per_second, d.burst, c.refilled_at, clock_timestamp()) >= d.burst)
           and not exists (select from permit p where p.key = c.key)
           for update of c skip locked));
$$;
