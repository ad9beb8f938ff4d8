-- delete_limit: removes a limit. Jobs that have it and wait are not limited by it any more; new ones with it are refused.
-- Called by: operators, applications. Writes: limit_def, parking, turn, audit_log. Raises PQ001 when there is no such limit.
create function delete_limit(name text, by text default null) returns void
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    gone limit_def%rowtype;
begin
    delete from limit_def d where d.name = name returning d.* into gone;
    if not found then
        perform invalid('name', name, 'there is no such limit; there are: ' || coalesce(
            (select string_agg(l.name, ', ' order by l.name)
               from (select d.name from limit_def d order by 1 limit 20) l), 'none'));
    end if;
    delete from parking p where p.until > clock_timestamp() and name in (p.key, split_part(p.key, ':', 1))
                            and not exists (select from limit_def d where d.name in (p.key, split_part(p.key, ':', 1)));
    perform open_limit(name);
    perform audit('delete_limit', 'limit', name, by, null, limit_facts(gone));
end $$;
