-- set_autoscale: whether a pool changes by itself how many workers it wants, and by which rules; they hold from now on.
-- Called by: operators, make_pool. Writes: pool, pool_event, audit_log. Locks: its row.
-- is_on: NULL = as it is. rules: see scaling_rules; what is not named stays as it is, and the value "default" is the default
-- again. NULL = none changes.
-- Raises PQ001 when a rule is unknown or invalid, PQ003 when there is no such pool, PQ004 when it is being deleted.
create function set_autoscale(name text, is_on bool default true, rules jsonb default null, by text default null) returns void
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    old pool := hold_lasting_pool(name);
    new pool := old;
begin
    new.autoscale := coalesce(is_on, old.autoscale);
    new.rules := changed_rules(old.rules, coalesce(rules, '{}'));
    perform scaling_rules(new.rules);
    update pool p
       set autoscale = new.autoscale, rules = new.rules, checked_at = null, refused = null, low_since = null, low_need = null
     where p.name = name;
    if (new.autoscale, new.rules) is distinct from (old.autoscale, old.rules) then
        perform note_pool(name, 'autoscale', by, null, null, case when new.autoscale then 'on' else 'off' end, new.rules);
    end if;
    perform audit('set_autoscale', 'pool', name, by, null, jsonb_build_object('autoscale', old.autoscale, 'rules', old.rules),
                  jsonb_build_object('autoscale', new.autoscale, 'rules', new.rules));
    perform tell_agents(name);
end $$;

-- changed_rules: rules as they are kept, those that differ from the defaults, after a change. Called by: set_autoscale.
-- Writes: nothing. Raises PQ001 when they are no object.
create function changed_rules(old jsonb, changes jsonb) returns jsonb
language plpgsql stable as $$
declare
    defaults jsonb := scaling_rules('{}');
begin
    if jsonb_typeof(changes) <> 'object' then
        perform scaling_rules(changes);
    end if;
    return coalesce((
        select jsonb_object_agg(r.key, r.value)
          from jsonb_each(old || changes) as r(key, value)
         where r.value <> '"default"' and r.value is distinct from defaults->r.key), '{}');
end $$;
