-- check_pool: refuses a pool that no agent could run. Called by: make_pool, set_pool. Writes: nothing. Raises PQ001.
create function check_pool(its pool) returns void
language plpgsql as $$
begin
    perform check_pool_app(its.app), check_pool_queues(its.queues);
    if (its.concurrency between 1 and 10000) is not true then
        perform invalid('concurrency', its.concurrency::text, 'use 1 to 10000');
    elsif (its.minimum between 0 and 10000) is not true then
        perform invalid('minimum', its.minimum::text, 'use 0 to 10000');
    elsif (its.maximum between 1 and 10000) is not true then
        perform invalid('maximum', its.maximum::text, 'use 1 to 10000');
    elsif its.minimum > its.maximum then
        perform invalid('minimum', its.minimum::text, format('use at most %s, the maximum, or change both', its.maximum));
    elsif its.minimum = 0 and its.queues = '{}' then
        perform invalid('minimum', '0', 'name the queues of the pool too: without a worker nobody knows which ones its app has');
    elsif (its.max_unavailable between 1 and 10000) is not true then
        perform invalid('max_unavailable', its.max_unavailable::text, 'use 1 to 10000');
    end if;
    perform check_wanted('wanted', its.wanted::text, its.wanted, its);
end $$;

-- check_pool_app: refuses what is no place of a PgQueue object. Called by: check_pool. Writes: nothing. Raises PQ001.
create function check_pool_app(app text) returns void
language plpgsql as $$
begin
    if (length(app) <= 200 and app ~* '^([a-z_][a-z0-9_]*[.])*[a-z_][a-z0-9_]*:[a-z_][a-z0-9_]*$') is not true then
        perform invalid('app', app, 'use module:attribute, for example shop.jobs:app, in at most 200 characters');
    end if;
end $$;

-- check_pool_queues: refuses queues with weights that no worker takes. Called by: check_pool. Writes: nothing. Raises PQ001.
create function check_pool_queues(queues text[]) returns void
language plpgsql as $$
declare
    named text[] := array(select split_part(q, '=', 1) from unnest(queues) as u(q));
begin
    if queues is null or cardinality(queues) > 1000 then
        perform invalid('queues', cardinality(queues)::text, 'name at most 1000; none for all queues of the app');
    elsif array_ndims(queues) > 1 then
        perform invalid('queues', queues::text, 'use an array of one dimension');
    end if;
    perform invalid('queues', q, 'use names with or without a weight above 0, for example mail=3 or default')
       from unnest(queues) as u(q)
      where (q ~ '^[A-Za-z0-9_.:-]{1,100}(=[0-9]{1,6}([.][0-9]{1,6})?)?$' and q !~ '=[0.]+$') is not true;
    perform invalid('queues', n, 'name each queue once') from unnest(named) as u(n) group by n having count(*) > 1;
end $$;

-- check_wanted: refuses a number of workers outside of the pool's bounds. Called by: check_pool, scale_pool. Writes: nothing.
-- Raises PQ001. field, value: what the caller gave.
create function check_wanted(field text, value text, wanted int, its pool) returns void
language plpgsql as $$
begin
    if (wanted between its.minimum and its.maximum) is not true then
        perform invalid(field, value, format('%s workers are outside of what the pool may have, %s to %s; '
                                             'keep to that, or change its minimum or maximum', wanted, its.minimum, its.maximum));
    end if;
end $$;
