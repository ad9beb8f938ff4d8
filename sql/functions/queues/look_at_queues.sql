-- look_at_queues: what is paused, whether any queue has max_ready, and whether the install is large: at least one row, whose kind
-- is NULL when nothing is paused.
-- Called by: workers, when they are told that something has changed, and a few times in each lease. Writes: nothing.
create function look_at_queues() returns table (
    has_depths bool, is_large bool, kind text, name text, paused_at timestamptz, until timestamptz, by text, reason text
)
language sql stable security definer set search_path from current as $$
    select d.has_depths, is_large(), p.kind, p.name, p.paused_at, p.until, p.by, p.reason
      from (select exists (select from queue where max_ready is not null) as has_depths) d left join pauses p on true
$$;
