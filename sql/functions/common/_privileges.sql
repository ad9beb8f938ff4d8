-- rights_of_others: what roles other than the owner may do with the schema and all it holds, or with one relation.
-- Called by: take_from_others. Writes: nothing.
-- A row for each object and role; role NULL: everybody. Grants of columns count as those of their table, which revokes them too.
-- What belongs to an extension is not ours. Types stay usable by everybody, and so does the schema public, as PostgreSQL has
-- them.
create function rights_of_others(only_one regclass default null) returns table (object text, role oid)
language sql stable as $$
    with here as (
        select oid, nspname, nspowner, nspacl from pg_namespace where oid = quote_ident(current_schema())::regnamespace
    ), extended as (
        select classid, objid from pg_depend where deptype = 'e' and only_one is null
    ), found as (
        select format('table %s', c.oid::regclass) as object, relowner as owner, a.acl, false as is_type
          from here join pg_class c on relnamespace = here.oid
          cross join lateral (select relacl union all
                              select attacl from pg_attribute where attrelid = c.oid and attacl is not null) a(acl)
         where c.oid = coalesce(only_one, c.oid) and ('pg_class'::regclass, c.oid) not in (select * from extended)
        union all
        select format('routine %s', p.oid::regprocedure), proowner, coalesce(proacl, acldefault('f', proowner)), false
          from here join pg_proc p on pronamespace = here.oid
         where only_one is null and ('pg_proc'::regclass, p.oid) not in (select * from extended)
        union all
        select format('type %s', t.oid::regtype), typowner, typacl, true
          from here join pg_type t on typnamespace = here.oid
         where only_one is null and ('pg_type'::regclass, t.oid) not in (select * from extended)
        union all
        select format('schema %I', nspname), nspowner, nspacl, false from here where only_one is null and nspname <> 'public'
    )
    select distinct object, nullif(grantee, 0)
      from found, aclexplode(acl) where grantee <> owner and not (is_type and grantee = 0)
$$;

-- take_from_others: takes these rights, whoever granted them: default privileges of the owner give others what is new.
-- Called by: privileges.sql, roles.sql, make_partition. Writes: privileges.
create function take_from_others(only_one regclass default null) returns void
language plpgsql as $$
declare
    statement text;
begin
    for statement in
        select format('revoke all on %s from %s cascade', object, coalesce(role::regrole::text, 'public'))
          from rights_of_others(only_one)
    loop
        execute statement;
    end loop;
end $$;
