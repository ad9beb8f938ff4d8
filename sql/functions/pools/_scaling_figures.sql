-- scaling_figures: what the autoscaler sees of a pool, and what it keeps with each decision. Called by: autoscale.
-- Writes: nothing. Reads a bounded number of rows, whatever the number of jobs, see load_of.
--   wanted, workers   that shall run, and that do
--   running, ready    jobs that they run, and that they could start now
--   oldest            seconds for which the first of these has waited; null = none waits
--   utilisation       running jobs by the slots of all wanted workers: those that are just starting count
--   connections_left  to the database
--   replication_lag   seconds; only where a rule looks at it
create function scaling_figures(its pool, rules jsonb, at timestamptz) returns jsonb
language plpgsql stable as $$
declare
    load    record := load_of(its, least(its.maximum::bigint * its.concurrency + 1, 10000)::int);
    workers bigint := (select count(*) from crew_of(its));
    slots   bigint := its.wanted::bigint * its.concurrency;
begin
    return jsonb_build_object(
        'wanted', its.wanted, 'workers', workers, 'running', load.running, 'ready', load.ready,
        'oldest', round(greatest(extract(epoch from at - load.oldest), 0), 1),
        'utilisation', round(least(9.99, case when slots > 0 then load.running::numeric / slots
                                              else sign(load.running + load.ready)::numeric end), 2),
        'connections_left', connections_left()
    ) || case when rules->>'max_replication_lag' is null then '{}'::jsonb
              else jsonb_build_object('replication_lag', case when replication_lag() = 'infinity' then to_jsonb('unknown'::text)
                                                              else to_jsonb(round(replication_lag()::numeric, 1)) end) end;
end $$;
