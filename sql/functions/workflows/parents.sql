-- parents: how the parents of these jobs have ended and what they returned, in the order in which each child names them.
-- Called by: workers, for handlers that want to know. Writes: nothing.
--   name    of the node; NULL without
--   state   succeeded, failed, cancelled or skipped; open when it is not over again: it was retried after this child had started
--   result  NULL unless it succeeded with a value other than null; kept while the workflow is open or failed, whatever its time
--   error   of a dead letter: its last error
--   expired it succeeded with a value, but that is not kept any more: it was deleted, or its time was over before the child came
--   withheld  it succeeded with a value that this child does not get: whoever added it may not know it, see is_withheld. It gets
--             no error either
create function parents(job_ids bigint[]) returns table (
    child_id bigint, parent_id bigint, name text, task text, state text, result jsonb, error jsonb, expired bool,
    withheld bool
)
language sql stable security definer set search_path from current set enable_seqscan = off set jit = off as $$
    select u.id, p.job_id, p.name, p.task, case when p.ended_at is null then 'open' else p.state::text end,
           case when not e.withheld then r.value end, case when not e.withheld then d.errors->-1 end,
           p.returned and p.state = 'succeeded' and r.value is null and not e.withheld,
           p.returned and p.state = 'succeeded' and e.withheld
      from unnest(job_ids) as u(id),
           lateral (select parent_id, position, withheld from workflow_edge where child_id = u.id offset 0) e,
           lateral (select * from workflow_node where job_id = e.parent_id offset 0) p
      left join lateral (select value from job_result where job_id = p.job_id offset 0) r on true
      left join lateral (select errors from dead_letter where id = p.job_id offset 0) d on true
     order by u.id, e.position
$$;
