-- make_pool: makes a pool. Agents run its workers: pgqueue agent NAME --slots K, on any machine.
-- Called by: operators who may also enqueue: it says which code agents load. Writes: pool, pool_event, audit_log.
-- Locks: the row of its name.
--
-- name             letters, digits and . _ : - ; at most 100 characters
-- app              module:attribute, the PgQueue object that its workers import
-- queues           with weights as on the command line: mail=3; none = all queues of the app
-- concurrency      jobs that each worker runs at once, 1 to 10000 (default 100)
-- wanted           workers that shall run; the minimum by default
-- minimum, maximum: what wanted may be, 0 to 10000 (default 1) and 1 to 10000 (default 50); minimum 0 needs queues
-- max_unavailable  workers that a roll replaces at a time (default 1)
-- autoscale, rules: see set_autoscale; NULL = not
-- Raises PQ001 when a value is invalid, PQ004 when there is a pool of this name, 42501 for a caller that may not enqueue.
create function make_pool(
    name text, app text, queues text[] default null, concurrency int default null, wanted int default null,
    minimum int default null, maximum int default null, max_unavailable int default null, autoscale bool default null,
    rules jsonb default null, by text default null
) returns void
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    new pool;
begin
    perform check_queue_name(name), assert_may_enqueue('app');
    new.name := name;
    new.app := app;
    new.queues := coalesce(queues, '{}');
    new.concurrency := coalesce(concurrency, 100);
    new.minimum := coalesce(minimum, 1);
    new.maximum := coalesce(maximum, greatest(50, new.minimum));
    new.wanted := coalesce(wanted, new.minimum);
    new.max_unavailable := coalesce(max_unavailable, 1);
    perform check_pool(new);
    insert into pool as p (name, app, queues, concurrency, wanted, minimum, maximum, max_unavailable)
    values (name, new.app, new.queues, new.concurrency, new.wanted, new.minimum, new.maximum, new.max_unavailable)
    on conflict on constraint pool_pkey do nothing;
    if not found then
        raise exception 'name: there is a pool % already; give it another name, or change that one', name
            using errcode = 'PQ004', column = 'name';
    end if;
    perform audit('make_pool', 'pool', name, by, null, null, pool_facts(p)) from pool p where p.name = name;
    perform note_pool(name, 'made', by, null, new.wanted);
    if autoscale is not null or rules is not null then
        perform set_autoscale(name, coalesce(autoscale, false), rules, by);
    end if;
    perform tell_agents(name);
end $$;
