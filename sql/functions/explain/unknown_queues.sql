-- unknown_queues: those of some queues of which nothing is known: no task of an app names them (of_app), no ready job waits
-- there, no schedule fires into them, nobody has set anything of them, and nothing has been counted there. did_you_mean: the name
-- that is most like it; NULL = none is. with_jobs: queues with ready jobs, the first 10.
-- Bounded: the first 1,000 of these queues, and a likely name for the first 10 of them.
-- Called by: workers whose queues no task of theirs names, as they start. Writes: nothing. Locks: none.
create function unknown_queues(queues text[], of_app text[]) returns table (queue text, did_you_mean text, with_jobs text[])
language sql stable security definer set search_path from current set jit = off as $$
    with line as materialized (select array(select queues_with_jobs(1000)) as names)
    select a.name, case when a.place <= 10 then nearest_name(a.name, of_app[1:1000] || l.names
                                                             || array(select q.name from queue q order by q.name limit 1000)) end,
           l.names[1:10]
      from unnest(unknown_queues.queues[1:1000]) with ordinality as a(name, place), line l
     where a.name <> all (of_app || l.names)
       and not exists (select from queue q where q.name = a.name)
       and not exists (select from pause p where p.kind = 'queue' and p.name = a.name)
       and not exists (select from schedule s where s.definition->'job'->>'queue' = a.name)
       and not exists (select from metric_total m where m.queue = a.name)
       and not exists (select from metric_hour m where m.hour > clock_timestamp() - interval '2 days' and m.queue = a.name)
       and not exists (select from metric_minute m
                        where m.minute > clock_timestamp() - interval '2 hours' and m.queue = a.name)
       and not exists (select from metric_depth m
                        where m.minute > clock_timestamp() - interval '5 minutes' and m.queue = a.name)
     order by a.place
$$;
