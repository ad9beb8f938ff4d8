-- relatives: the parents and the children of a node, at most so many of each, as they stand. Called by: people. Writes: nothing.
--   kind    parent or child
--   state   of its job, or skipped
--   run_if  how the parent must end
-- Parents come in the order in which the child names them, children by their ids. No row of a job that is no node.
create function relatives(job_id bigint, most int default 20) returns table (
    kind text, id bigint, name text, task text, queue text, state text, run_if text
)
language sql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
    with near as materialized (
        (select 'parent' as kind, e.parent_id as id, e.run_if, e.position from workflow_edge e
          where e.child_id = relatives.job_id order by e.position limit most)
        union all
        (select 'child', e.child_id, e.run_if, 0 from workflow_edge e
          where e.parent_id = relatives.job_id order by e.child_id limit most)
    )
    select r.kind, n.job_id, n.name, n.task, coalesce(j.queue, d.queue, h.queue),
           coalesce(case when n.state = 'live' then j.state::text end, n.state::text), r.run_if
      from near r
     cross join lateral (select * from workflow_node w where w.job_id = r.id offset 0) n
      left join lateral (select * from job w where n.ended_at is null and w.id = n.job_id offset 0) j on true
      left join lateral (select * from dead_letter w where n.state = 'failed' and w.id = n.job_id offset 0) d on true
      left join lateral (  -- on the day on which the node ended, see workflow_nodes
           select w.queue from job_history w
            where n.state in ('succeeded', 'cancelled', 'skipped') and w.id = n.job_id
              and w.finished_at between n.ended_at - interval '1 minute' and n.ended_at + interval '1 minute' limit 1) h on true
     order by r.kind desc, r.position, r.id
$$;
