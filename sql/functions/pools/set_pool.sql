-- set_pool: changes a pool; NULL leaves a value as it is. Another app, other queues or another concurrency roll it: its workers
-- are replaced, max_unavailable at a time. If wanted is not given and lies outside of new bounds, it becomes the nearer one.
-- Called by: operators; a change of app by those who may also enqueue. Writes: pool, pool_event, audit_log. Locks: its row.
-- queues: '{}' = all queues of the app. The values: see make_pool.
-- Returns whether anything has changed. Raises PQ001 when a value is invalid, PQ003 when there is no such pool, PQ004 when it is
-- being deleted, 42501 for another app of a caller that may not enqueue.
create function set_pool(
    name text, app text default null, queues text[] default null, concurrency int default null, wanted int default null,
    minimum int default null, maximum int default null, max_unavailable int default null, by text default null
) returns bool
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    old pool := hold_lasting_pool(name);
    new pool := old;
begin
    new.app := coalesce(app, old.app);
    new.queues := coalesce(queues, old.queues);
    new.concurrency := coalesce(concurrency, old.concurrency);
    new.minimum := coalesce(minimum, old.minimum);
    new.maximum := coalesce(maximum, old.maximum);
    new.wanted := coalesce(wanted, least(greatest(old.wanted, new.minimum), new.maximum));
    new.max_unavailable := coalesce(max_unavailable, old.max_unavailable);
    perform check_pool(new);
    if new = old then
        return false;
    elsif new.app <> old.app then
        perform assert_may_enqueue('app');
    end if;
    perform save_pool(old, new, by);
    return true;
end $$;

-- save_pool: writes what set_pool has changed. Called by: set_pool. Writes: pool, pool_event, audit_log.
create function save_pool(old pool, new pool, by text) returns void
language plpgsql as $$
#variable_conflict use_variable
declare
    rolls bool := (new.app, new.queues, new.concurrency) <> (old.app, old.queues, old.concurrency);
begin
    update pool p
       set app = new.app, queues = new.queues, concurrency = new.concurrency, minimum = new.minimum, maximum = new.maximum,
           max_unavailable = new.max_unavailable, generation = old.generation + rolls::int
     where p.name = old.name;
    if new.wanted <> old.wanted then
        perform store_wanted(old, new.wanted);
    end if;
    perform audit('set_pool', 'pool', old.name, by, null, pool_facts(old), pool_facts(new));
    perform note_pool(old.name, 'changed', by, old.wanted, new.wanted);
    if rolls then
        perform note_pool(old.name, 'rolled', by, null, null, 'its workers are to run with what was changed');
    end if;
    perform tell_agents(old.name);
end $$;
