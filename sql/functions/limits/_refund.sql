-- refund: puts the tokens of starts that never were back into their buckets: the job goes back before its handler has begun.
-- Called by: give_back, and finish_batch for unknown tasks, before they move the jobs. Writes: bucket, turn (see free_keys).
-- Locks: job rows, then buckets, all SKIP LOCKED: it waits for no claim. Of a bucket that a claim is using nothing comes back.
-- A bucket may by now be as full as it would be without these starts: what came meanwhile would then have been lost. So less
-- comes back the longer ago they were, as if it had been full all the time: in any window at most burst + rate * T start.
-- A limit that was changed since gives nothing back, nor does a job that was cut off once: only its worker knows how often.
create function refund(job_ids bigint[], claim_tokens uuid[]) returns void
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
declare
    back   record;
    at_row tid;
begin
    if not exists (select from bucket where key > '') then
        return;
    end if;
    for back in
        with unstarted as materialized (
            select j.* from (select distinct * from unnest(job_ids, claim_tokens) as u(id, token)) given, lateral (
                select queue, limits, coalesce(cost, 1) as cost, claimed_at from job
                 where id = given.id and claim_token = given.token and (control ? 'interrupted') is not true
                   for update skip locked offset 0) j
        ), of_claims as (
            select k.key, d.burst, sum(case when k.by_cost and d.count_cost
                                            then least(u.cost, floor(most_cost(d.per_second, d.per, d.burst))) else 1 end)
                   - d.per_second * extract(epoch from clock_timestamp() - u.claimed_at)::float8 as tokens
              from unstarted u
             cross join lateral (select l.key, true from unnest(u.limits) as l(key)
                                 union all select 'queue:' || u.queue, false) as k(key, by_cost)
             cross join lateral limit_of(k.key) d
             where d.per_second is not null and u.claimed_at between d.changed_at and clock_timestamp()
             group by k.key, u.claimed_at, d.per_second, d.burst
        )
        select key, burst, sum(c.tokens) as tokens from of_claims c where c.tokens > 0 group by key, burst order by key
    loop
        select ctid into at_row from bucket where key = back.key order by refilled_at desc limit 1 for no key update skip locked;
        update bucket b set tokens = least(b.tokens + back.tokens, back.burst), used = greatest(0, b.used - back.tokens)
         where b.ctid = at_row;
        if found then  -- the key opens earlier than its turn says
            insert into turn (queue, key, due_at)
            select q.queue, back.key, clock_timestamp() from waiting_queues(back.key) q;
        end if;
    end loop;
end $$;
