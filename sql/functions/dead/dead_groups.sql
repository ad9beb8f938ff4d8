-- dead_groups: the dead letters of a filter by fingerprint, the largest group first: each kind of failure is one row.
-- Called by: operators, dashboards. Writes: nothing. Raises PQ001 for an invalid filter.
-- Looks at the newest 100,000 dead letters: at those, or of a fingerprint, a type, a time, ids at theirs. looked_to says how far
-- that was; NULL = all were seen.
-- message, sample_id  of the newest job of the group; see pgqueue job for its traceback
-- tasks, queues       up to five of them
create function dead_groups(filter jsonb default '{}', most int default 20)
returns table (fingerprint text, jobs bigint, first_at timestamptz, last_at timestamptz, error_type text, reason final_reason,
               message text, sample_id bigint, tasks text[], queues text[], looked_to timestamptz)
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_column
declare
    checked jsonb := dead_filter(filter);
begin
    return query execute
        'with seen as materialized (select fingerprint, task, queue, finished_at, id ' || dead_source(checked) || '),
         part as materialized (
             select fingerprint, task, queue, count(*) as jobs, min(finished_at) as first_at, max(finished_at) as last_at,
                    max(id) as newest
               from seen group by fingerprint, task, queue),
         kind as (
             select fingerprint, sum(jobs)::bigint as jobs, min(first_at) as first_at, max(last_at) as last_at,
                    max(newest) as newest, (array_agg(distinct task))[:5] as tasks, (array_agg(distinct queue))[:5] as queues
               from part group by fingerprint order by jobs desc, last_at desc, fingerprint limit $2)
         select k.fingerprint, k.jobs, k.first_at, k.last_at, d.error_type, d.reason, d.errors->-1->>''message'', k.newest,
                k.tasks, k.queues, (' || dead_looked_to(checked) || ')
           from kind k join dead_letter d on d.id = k.newest
          order by k.jobs desc, k.last_at desc, k.fingerprint'
      using filter_of(checked), greatest(coalesce(most, 20), 1);
end $$;
