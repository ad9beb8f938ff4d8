-- due_schedules: schedules to look at now, for fire_schedules. Without their jobs, which workers need not know.
-- Called by: workers, when promote says that some are due. Writes: schedule_look. Locks: nothing.
-- If there are more than wanted, each call returns others, so that several workers share them.
create function due_schedules(want int default 200)
returns table (name text, definition jsonb, after_at timestamptz, next_tick timestamptz, seen_at timestamptz)
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_column
declare
    seen timestamptz;
begin
    perform note_look();
    seen := clock_timestamp();
    return query
        select d.name, d.definition, d.after_at, d.next_tick, seen
          from (select s.name, s.definition - 'job' as definition, s.after_at, s.next_tick from schedule s
                 where s.look_at <= seen order by s.look_at limit 5 * want) d
         order by random() limit want;
end $$;

-- note_look: records that a worker looks for due schedules, at most every two seconds, and only if there are schedules.
-- Called by: due_schedules. Writes: schedule_look. Locks: its row, SKIP LOCKED.
create function note_look() returns void
language sql as $$
    update schedule_look set looked_at = clock_timestamp()
     where singleton = any (array(
         select singleton from schedule_look  -- in the future: the clock was set back
          where looked_at not between clock_timestamp() - interval '2 s' and clock_timestamp() and exists (select from schedule)
            for no key update skip locked))
$$;
