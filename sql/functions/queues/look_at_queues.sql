-- look_at_queues: what is paused, whether any queue has max_ready, whether the install is large, and how many workers serve
-- the queue, of these, that the fewest serve. At least one row, whose kind is NULL when nothing is paused.
-- Called by: workers, when they are told that something has changed, and a few times in each lease. Writes: nothing.
create function look_at_queues(queues text[]) returns table (
    has_depths bool, is_large bool, peers int,
    kind text, name text, paused_at timestamptz, until timestamptz, by text, reason text
)
language sql stable security definer set search_path from current as $$
    select d.has_depths, is_large(), peers_of(look_at_queues.queues), p.kind, p.name, p.paused_at, p.until, p.by, p.reason
      from (select exists (select from queue where max_ready is not null) as has_depths) d left join pauses p on true
$$;

-- peers_of: how many active workers serve the queue, of these, that the fewest serve; 1 at least: who asks may not be registered.
-- One that drains does not count: it may do so for hours, and looks at nothing. Called by: look_at_queues. Writes: nothing.
create function peers_of(queues text[]) returns int
language sql stable as $$
    select greatest(coalesce(min(n), 0), 1)::int
      from (select count(w.id) as n from unnest(peers_of.queues) as q(name)
              left join worker w on w.state = 'active' and not w.draining and w.told is null and q.name = any (w.queues)
             group by q.name) s
$$;
