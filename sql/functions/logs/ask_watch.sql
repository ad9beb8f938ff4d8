-- ask_watch: tells the workers that a process watches these jobs; for 15 s they call wake_waiters when one of them changes.
-- Called by: processes that watch, every 5 s. Writes: nothing. The payload can be no queue's name; it has at most 390 ids, see
-- wake_waiters.
create function ask_watch(ids bigint[]) returns void
language sql security definer set search_path from current as $$
    select wake('!watch ' || string_agg(id::text, ','))
      from unnest(ids) with ordinality as u(id, n) group by (n - 1) / 390
$$;
