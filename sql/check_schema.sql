-- Refuses a schema in which somebody else could put, or has put, what a migration or a later call would run with the rights of
-- the owner. Applied by each migration, before anything else and again before it commits, with pg_catalog alone on the
-- search_path: nothing in the schema stands in for what is called here. Only the first look waits.
--
-- pgqueue.schema  the schema
-- pgqueue.roles   on: roles.sql is to follow; it takes CREATE from the roles of the schema
-- pgqueue.made    yes: this transaction has made the schema; no: it was there; not set: a command that only looks
do $$
declare
    wanted    constant name := current_setting('pgqueue.schema');
    made      constant text := coalesce(current_setting('pgqueue.made', true), '');
    to_follow constant bool := coalesce(current_setting('pgqueue.roles', true), '') = 'on';
    mine      constant oid := current_user::regrole;
    owners    oid[];   -- who may own objects
    its       record;  -- the schema
    installed bool;
    others    text;
    holds     text;
    foreign_  record;
    open_ones text[];  -- transactions that may have made objects before the right to do so was taken from them
    pid       int;
begin
    select oid, nspowner as owner, nspacl is not null as was_granted into its from pg_namespace where nspname = wanted;
    if not found then
        return;  -- a command that only looks
    end if;
    if (select bool_or(rolsuper) filter (where rolname = session_user) and not bool_or(rolsuper) filter (where oid = mine)
          from pg_roles) then
        raise exception 'schema: the superuser % logs in, and % migrates; what % has put into % could become the superuser '
            'again: log in as %', quote_ident(session_user), mine::regrole, mine::regrole, quote_ident(wanted), mine::regrole
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    owners := array[mine];
    if its.owner = 'pg_database_owner'::regrole
       and mine = (select datdba from pg_database where datname = current_database()) then
        owners := owners || its.owner;
    end if;
    if its.owner <> all (owners) then
        raise exception 'schema: % belongs to the role %, and % migrates; log in as its owner, or as a member with the option '
            'role; or take another schema, or if you know all it holds: alter schema % owner to %',
            quote_ident(wanted), its.owner::regrole, mine::regrole, quote_ident(wanted), mine::regrole
            using errcode = 'object_not_in_prerequisite_state';
    end if;

    -- One migration of a schema at a time. COMMENT locks the schema until the transaction ends, and only its owner can. Advisory
    -- locks can be taken by whoever may connect, and before the first install there is no table to lock. The comment stays.
    if made <> '' then
        execute format('comment on schema %I is %L', wanted, obj_description(its.oid, 'pg_namespace'));
    end if;

    installed := exists (select from pg_class join pg_attribute on attrelid = pg_class.oid and attname = 'version_num'
                          where relnamespace = its.oid and relname = 'schema_version' and relkind = 'r');
    select string_agg(distinct case grantee when 0 then 'public' else grantee::regrole::text end, ', ') into others
      from pg_namespace n, aclexplode(n.nspacl)
     where n.oid = its.oid and privilege_type = 'CREATE' and grantee <> all (owners)
       and not (installed and to_follow and grantee = any (array(
                    select to_regrole(quote_ident(wanted || '_' || kind))
                      from unnest(array['producer', 'worker', 'viewer', 'operator', 'admin']) kind)));
    if others is not null then
        raise exception 'schema: others may create in %; take another schema, or: revoke create on schema % from % cascade',
            quote_ident(wanted), quote_ident(wanted), others
            using errcode = 'object_not_in_prerequisite_state';
    end if;

    if not installed and not has_schema_privilege(mine, its.oid, 'create') then
        raise exception 'schema: % may not create in %, its own; run as %: grant create on schema % to %', mine::regrole,
            quote_ident(wanted), its.owner::regrole, quote_ident(wanted), mine::regrole
            using errcode = 'object_not_in_prerequisite_state';
    end if;

    if not installed then
        -- A statement that makes an object can wait, with the right to do so behind it, before its transaction has an id. So if
        -- the privileges of the schema were ever changed, all transactions of others count.
        open_ones := case when made = 'no' then array(
            select coalesce(l.transactionid::text, l.virtualxid)
              from pg_locks l left join pg_stat_activity a on a.pid = l.pid left join pg_roles r on r.oid = a.usesysid
             where (l.locktype = 'transactionid'
                    or l.locktype = 'virtualxid' and its.was_granted and r.oid <> mine and not r.rolsuper)
               and l.mode = 'ExclusiveLock' and l.granted and l.pid is distinct from pg_backend_pid()
               and (a.datname = current_database() or exists (
                       select from pg_prepared_xacts p where p.transaction = l.transactionid and p.database = current_database()))
            ) end;
        for tenth in 1..100 loop
            pid := (select coalesce(l.pid, 0) from pg_locks l
                     where l.locktype in ('transactionid', 'virtualxid') and l.mode = 'ExclusiveLock' and l.granted
                       and coalesce(l.transactionid::text, l.virtualxid) = any (open_ones) limit 1);
            exit when pid is null;
            perform pg_sleep(0.1);
        end loop;
        if pid is not null then
            raise exception 'schema: % was there before, and an open transaction (pid %; 0: a prepared one) may have made '
                'objects in it; end the transaction, or drop the schema and let the migration make it', quote_ident(wanted), pid
                using errcode = 'object_not_in_prerequisite_state';
        end if;
        select string_agg(shown, ', ') into holds from (
            select i.type || ' ' || i.identity as shown
              from pg_depend d, pg_identify_object(d.classid, d.objid, d.objsubid) i
             where d.refclassid = 'pg_namespace'::regclass and d.refobjid = its.oid
               and d.classid not in ('pg_default_acl'::regclass, 'pg_publication_namespace'::regclass)
             order by 1 limit 3) held;
        if holds is not null then
            raise exception 'schema: % has no pgqueue, and holds other objects: %; take another schema, or drop them',
                quote_ident(wanted), holds
                using errcode = 'object_not_in_prerequisite_state';
        end if;
    end if;

    -- The owner of an object is in pg_shdepend, but for the first superuser (10). What the script of an extension has made
    -- belongs to a superuser; others can add objects of their own to an extension of theirs.
    select i.type, i.identity, o.owner::regrole as owner into foreign_
      from pg_depend d
      cross join pg_identify_object(d.classid, d.objid, d.objsubid) i
      cross join coalesce((
          select s.refobjid from pg_shdepend s
           where s.dbid = (select oid from pg_database where datname = current_database())
             and s.classid = d.classid and s.objid = d.objid and s.objsubid = 0 and s.deptype = 'o'), 10) o(owner)
     where d.refclassid = 'pg_namespace'::regclass and d.refobjid = its.oid and o.owner <> all (owners)
       and d.classid not in ('pg_default_acl'::regclass, 'pg_publication_namespace'::regclass, 'pg_ts_parser'::regclass,
                             'pg_ts_template'::regclass, 'pg_extension'::regclass)
       and not (exists (select from pg_depend e where e.classid = d.classid and e.objid = d.objid and e.deptype = 'e')
                and (select rolsuper from pg_roles where oid = o.owner))
     order by d.classid, d.objid limit 1;
    if found then
        raise exception 'schema: the % % belongs to the role %, and % migrates; drop it, or if you know what it does: '
            'alter % % owner to %', foreign_.type, foreign_.identity, foreign_.owner, mine::regrole,
            foreign_.type, foreign_.identity, mine::regrole
            using errcode = 'object_not_in_prerequisite_state';
    end if;

    -- Who once had TRIGGER or REFERENCES on a table may have left there what runs with each change of it.
    select found.name, made_on.oid::regclass as relation, maker.oid::regrole as owner, found.remedy into foreign_
      from (select tgrelid as relation, tgname as name, proowner as owner,
                   format('drop trigger %I on %s', tgname, tgrelid::regclass) as remedy
              from pg_trigger join pg_proc on pg_proc.oid = tgfoid where not tgisinternal
            union all
            select confrelid, conname, relowner, format('alter table %s drop constraint %I', conrelid::regclass, conname)
              from pg_constraint join pg_class on pg_class.oid = conrelid where contype = 'f') found
      join pg_class made_on on made_on.oid = found.relation and made_on.relnamespace = its.oid
      join pg_roles maker on maker.oid = found.owner
     where maker.oid <> all (owners) and not maker.rolsuper
     order by 2, 1 limit 1;
    if found then
        raise exception 'schema: % on the table % is of the role %, and % migrates; %',
            quote_ident(foreign_.name), foreign_.relation, foreign_.owner, mine::regrole, foreign_.remedy
            using errcode = 'object_not_in_prerequisite_state';
    end if;
end $$;
