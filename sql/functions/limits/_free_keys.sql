-- free_keys: places of these limits were given back: look at what is parked behind them. keys: array literals, one a job.
-- Called by: whoever takes jobs that hold places out of the running. Writes: turn; it only inserts, so nobody waits for a claimer.
-- A claimer that is parking a lane just now is not seen; it looks again by itself, see opening_of.
create function free_keys(keys text[]) returns void
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
    insert into turn (queue, key, due_at)
    select q.queue, k.key, clock_timestamp()
      from (select distinct key from unnest(keys) as l(keys), unnest(l.keys::text[]) as u(key)) k
     cross join lateral waiting_queues(k.key) q
     where exists (select from limit_of(k.key) d where d.max_running is not null);
end $$;

-- waiting_queues: the queues of which lanes are parked behind a key, each found by one step. Called by: free_keys, open_limit.
create function waiting_queues(its_key text) returns table (queue text)
language sql stable as $$
    with recursive found (name) as (
        select min(queue) from (select queue from turn where key = its_key order by queue limit 1) first
        union all
        select (select t.queue from turn t where t.key = its_key and t.queue > f.name order by t.queue limit 1) from found f where f.name is not null
    )
    select name from found where name is not null
$$;
