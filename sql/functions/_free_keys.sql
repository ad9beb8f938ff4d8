-- free_keys: places of these limits were given back: look at what is parked behind them. keys: array literals, one a job.
-- Called by: whoever takes jobs that hold places out of the running. Writes: turn; it only inserts, so nobody waits for a claimer.
-- A claimer that is parking a lane just now is not seen; it looks again by itself, see opening_of.
create function free_keys(keys text[]) returns void
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
    insert into turn (queue, key, due_at)
    select distinct t.queue, k.key, clock_timestamp()
      from (select distinct key from unnest(keys) as l(keys), unnest(l.keys::text[]) as u(key)) k
     cross join lateral (select queue from turn where key = k.key and lane_id is not null order by due_at limit 8 offset 0) t
     where exists (select from limit_of(k.key) d where d.max_running is not null);
end $$;
