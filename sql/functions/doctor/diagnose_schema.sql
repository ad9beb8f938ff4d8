-- diagnose_schema: what is missing, has been changed or was added since the migration. Called by: doctor, workers.
-- Writes: nothing.
-- Indexes that find jobs by what their args or meta contain are what the guide to filters recommends. Of what was added, an index
-- costs each job, and a trigger or a constraint may refuse it.
-- No JIT here and in the other checks: the plans look dear on a server that is not analyzed yet, and compiling took 5 s, which no
-- timeout cuts off.
create function diagnose_schema() returns setof finding
language sql stable security definer set search_path from current set jit = off as $$
    with drift as (
        select coalesce(w.kind, n.kind) as kind, coalesce(w.name, n.name) as name, w.definition as wanted, n.definition as now
          from installed_object w full join objects() n on n.kind = w.kind and n.name = w.name
         where w.definition is distinct from n.definition and exists (select from installed_object)
           and (w.kind = 'view' and unqualified(w.definition) = unqualified(n.definition)) is not true
    )
    select case when now is null then 'object-missing' when wanted is null then 'object-added' else 'object-changed' end,
           case when wanted is null then 'warning' else 'error' end,
           kind || ' ' || name,
           format(case when now is null then 'the %s %s is missing' when wanted is null then 'the %s %s is not of pgqueue'
                       else 'the %s %s is not as the migration has made it' end, kind, name),
           jsonb_build_object('kind', kind, 'name', name),
           case when wanted is null then 'each job may become slower by it, or be refused; the next migration may fail'
                when kind = 'index' then 'calls that find their rows by it read whole tables instead'
                else 'calls that use it fail, or do something else' end,
           format('set search_path to %I; ', current_schema())
           || case when kind = 'function' and now is null then '/* with roles, then: pgqueue migrate --roles */ ' else '' end ||
           case when wanted is null then (
                    case kind when 'column' then format('alter table %s drop column %I', split_part(name, '.', 1),
                                                        substr(name, strpos(name, '.') + 1))
                              when 'constraint' then format('alter table %s drop constraint %I', split_part(name, '.', 1),
                                                            substr(name, strpos(name, '.') + 1))
                              when 'trigger' then format('drop trigger %I on %s', substr(name, strpos(name, '.') + 1),
                                                         split_part(name, '.', 1))
                              when 'index' then format('drop index %s%I', case when now !~ '^CREATE (UNIQUE )?INDEX .* ON ONLY '
                                                                               then 'concurrently ' end, name)
                              when 'function' then format('alter routine %s set schema public', name)
                              else format('alter %s %I set schema public', kind, name) end)
                when kind = 'index' and now like 'reindex %' then now
                when kind = 'index' and now is not null then format('drop index %I; %s', name, wanted)
                when kind = 'constraint' and now is not null then format(
                    'alter table %s drop constraint %I; %s', split_part(name, '.', 1), split_part(name, '.', 2), wanted)
                when kind = 'table' or kind in ('column', 'type') and now is not null then format(
                    '-- it was: %s; if that cannot be made again, restore a backup', wanted)
                when kind <> 'function' and length(wanted) < 500 then wanted
                else format('select definition from installed_object where kind = %L and name = %L %sgexec', kind, name, chr(92))
           end
      from drift
     where not (kind = 'index' and wanted is null and exists (
               select from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am m on m.oid = c.relam
                where i.indexrelid = to_regclass(quote_ident(name)) and m.amname = 'gin' and i.indisvalid))
       -- What belongs to a table that is missing or was added goes without saying.
       and not (kind in ('column', 'constraint', 'trigger') and exists (
               select from drift d where d.kind = 'table' and starts_with(drift.name, d.name || '.')))
     order by 2, 3 limit 100
$$;
