-- dead_parts: a checked filter in two: what an index finds, and what must be looked at. Called by: dead_source, dead_looked_to.
-- Writes: nothing.
create function dead_parts(filter jsonb, out found jsonb, out looked_at jsonb)
language sql stable as $$
    select coalesce(jsonb_object_agg(key, value) filter (where key = any (names)), '{}'), filter - names
      from (select array['ids', 'fingerprint', 'error_type', 'finished_after', 'finished_before'] as names) n
      left join lateral jsonb_each(filter) on true
     group by names
$$;

-- dead_source: the part of a statement that reads dead letters of a checked filter, for one whose $1 is filter_of(filter): d, the
-- newest `look` ones, and of these those that match. Made of the texts here and of filter_terms.
-- Called by: dead_groups, dead_stats, crossed_dead_letters. Writes: nothing.
-- What an index finds is chosen before the newest are: a fingerprint, a type, a time, ids.
create function dead_source(filter jsonb, look int default 100000) returns text
language sql stable as $$
    select 'from (select * from dead_letter where ' || filter_terms(found, 'dead_letter')
           || ' order by finished_at desc limit ' || look || ') d where ' || filter_terms(looked_at, 'dead_letter')
      from dead_parts(filter)
$$;

-- dead_looked_to: a query for the end of the last dead letter that dead_source reads, if it does not read all; else no row.
-- Called by: dead_groups, dead_stats. Writes: nothing.
create function dead_looked_to(filter jsonb, look int) returns text
language sql stable as $$
    select 'select finished_at from dead_letter where ' || filter_terms(found, 'dead_letter')
           || ' order by finished_at desc limit 1 offset ' || look - 1
      from dead_parts(filter)
$$;

-- dead_filter: a filter of dead letters in its normal form. Called by: dead_groups, dead_stats, crossed_dead_letters.
-- Writes: nothing. Raises PQ001 for an invalid one, and for a state that no dead letter has.
create function dead_filter(filter jsonb) returns jsonb
language plpgsql as $$
declare
    checked jsonb := check_filter(filter);
begin
    if checked->'state' <> '["failed"]' then
        perform invalid('state', checked->>'state', 'dead letters are failed; leave it out');
    end if;
    return checked - 'state';
end $$;

-- dead_look: how many dead letters are looked at. Called by: dead_groups, dead_stats. Writes: nothing. Raises PQ001 for a bad
-- number.
create function dead_look(look int) returns int
language plpgsql as $$
begin
    if (look between 100 and 100000) is not true then
        perform invalid('look', look::text, 'use 100 to 100000 dead letters');
    end if;
    return look;
end $$;
