-- Makes the schema named by pgqueue.schema unless it is there; default privileges of the user give others nothing on it. Applied
-- by each migration, with pg_catalog alone on the search_path. Not by `if not exists`, which asks for CREATE on the database
-- even if there is nothing to make. Of two first installs at once the second waits for the first, and then the schema is there.
do $$
declare
    wanted constant name := current_setting('pgqueue.schema');
    other  text;
begin
    perform set_config('pgqueue.made', 'no', true);  -- for check_schema.sql
    if to_regnamespace(quote_ident(wanted)) is null then
        execute format('create schema %I', wanted);
        perform set_config('pgqueue.made', 'yes', true);
        for other in
            select distinct case grantee when 0 then 'public' else grantee::regrole::text end
              from pg_namespace, aclexplode(nspacl) where nspname = wanted and grantee <> nspowner
        loop
            execute format('revoke all on schema %I from %s cascade', wanted, other);
        end loop;
    end if;
exception
    when unique_violation then perform set_config('pgqueue.made', 'no', true);
    when insufficient_privilege then
        raise exception 'schema: % may not create the schema %; let the owner of the database, %, run: grant create on '
            'database % to %; or somebody who may create schemas: create schema % authorization %', current_user::regrole,
            quote_ident(wanted), (select datdba::regrole from pg_database where datname = current_database()),
            quote_ident(current_database()),
            current_user::regrole, quote_ident(wanted), current_user::regrole
            using errcode = 'insufficient_privilege';
end $$;
