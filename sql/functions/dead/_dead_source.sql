-- dead_source: the part of a statement that reads dead letters of a checked filter, for one whose $1 is filter_of(filter): d, the
-- newest 100,000, and of these those that match. Made of the texts here and of filter_terms.
-- Called by: dead_groups, dead_stats, crossed_dead_letters. Writes: nothing.
-- What an index finds is chosen before the newest are: a fingerprint, a type, a time, ids.
create function dead_source(filter jsonb) returns text
language sql stable as $$
    select 'from (select * from dead_letter where ' || filter_terms(found, 'dead_letter')
           || ' order by finished_at desc limit 100000) d where ' || filter_terms(filter - found_fields, 'dead_letter')
      from (select array['ids', 'fingerprint', 'error_type', 'finished_after', 'finished_before'] as found_fields) f,
           lateral (select coalesce(jsonb_object_agg(key, value), '{}') as found from jsonb_each(filter)
                     where key = any (found_fields)) i
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
