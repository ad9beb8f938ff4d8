-- PostgreSQL lets everybody execute a new function. Ours act with the rights of the install's owner, so only the owner may call
-- them and those to whom roles.sql grants it. On tables and views PostgreSQL grants others nothing to begin with.
do $$
declare
    name regprocedure;
begin
    for name in
        select oid from pg_proc p
         where pronamespace = quote_ident(current_schema())::regnamespace
           and not exists (select from pg_depend where classid = 'pg_proc'::regclass and objid = p.oid and deptype = 'e')
    loop
        execute format('revoke all on routine %s from public', name);
    end loop;
end $$;
