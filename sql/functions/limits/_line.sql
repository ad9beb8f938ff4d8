-- line_begins: no lane of the queue stands in line before this time; -infinity when that is not known. A turn that is committed
-- late with an earlier time is found when that is not known again, after a second. Called by: claim_lanes, open_keys, next_turn.
-- Inlined, hence a table: as a function with one row for an answer it was planned anew at each call, a tenth of a claim of 100.
create function line_begins(in_queue text, now_ timestamptz) returns table (starts_at timestamptz, keys_at timestamptz)
language sql stable as $$
    select coalesce(max(s.starts_at), '-infinity'), coalesce(max(s.keys_at), '-infinity')
      from (select starts_at, keys_at from line_start
             where queue = in_queue and seen_at between now_ - interval '1 second' and now_ + interval '1 second'
             order by seen_at desc limit 1) s
$$;

-- note_line_start: looks where the turns of a queue begin, past all dead rows, so that others need not for a second.
-- Called by: claim_lanes, when that has taken long. Writes: line_start. Without locks: what others hold counts too, and for what
-- is just being committed there is a second's grace.
create function note_line_start(in_queue text) returns void
language sql as $$
    insert into line_start (queue, starts_at, keys_at, seen_at)
    select in_queue,
           least((select due_at from turn where queue = in_queue and key is null order by due_at limit 1),
                 s.seen_at - interval '1 s'),
           least((select due_at from turn where queue = in_queue and lane_id is null order by due_at limit 1),
                 s.seen_at - interval '1 s'),
           s.seen_at
      from (select clock_timestamp() as seen_at) s
$$;

-- front_of_line: takes up to `most` lanes from the front of the line, each with all its turns: each enqueue adds one, and here
-- they become one. NULL when there are none; cut: others stand behind them. Called by: claim_lanes. Locks: turns, SKIP LOCKED.
create function front_of_line(in_queue text, begins timestamptz, now_ timestamptz, most int, out line lane_turn[], out cut bool)
language plpgsql as $$
begin
    with front as materialized (
        select t.lane_id from turn t
         where t.queue = in_queue and t.key is null and t.due_at between begins and now_
         order by t.due_at limit most for update skip locked
    ), lanes as (
        select t.lane_id, min(t.keys) as keys, array_agg(t.id) as ids, min(t.due_at) as due_at,
               null::text as key, min(t.lo) as lo,
               max(t.whole_at)
                   filter (where t.whole_at between now_ - interval '1 second' and now_ + interval '1 second') as whole_at,
               max(t.credit) as credit
          from (select t.* from (select distinct f.lane_id from front f) f
                  join turn t on t.lane_id = f.lane_id limit 5000 for update of t skip locked) t
         group by t.lane_id
    )
    select array_agg(l::lane_turn order by l.due_at), (select count(*) = most from front) into line, cut from lanes l;
end $$;
