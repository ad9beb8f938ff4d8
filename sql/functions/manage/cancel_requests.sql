-- cancel_requests: the runs of a worker that are to end. Called by: workers, when they hear of a cancel and every third of their
-- lease; about once a second where they hear nothing. Writes: nothing.
--
-- runs       the jobs that the worker holds
-- only_held  look at no others, which is by their keys alone. Else also at those that run under it and that it does not know of,
--            because the answer to their claim is on its way; that look walks the entries of jobs that ended during a long
--            transaction
-- within     of these others only what was claimed so lately; NULL = all
-- fenced: the job does not run under this worker any more: it was ended by force, or taken away; the run is to be dropped. Else
-- it is asked to stop: by cancel, or because its workflow was cancelled, also when that was retried since.
create function cancel_requests(
    worker uuid, runs bigint[] default '{}', only_held bool default false, within interval default null
) returns table (job_id bigint, fenced bool)
language sql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
    select r.id, j.is_ours is not true
      from (select unnest(runs) as id
            union
            select id from job
             where not only_held and state = 'running' and worker_id = cancel_requests.worker
               and claimed_at >= (select coalesce(clock_timestamp() - within, '-infinity'))) r
      left join lateral (
           select state = 'running' and worker_id = cancel_requests.worker as is_ours,
                  control ? 'cancel' or (workflow_id is not null and is_cancelled(workflow_id, id)) as is_asked
             from job where id = r.id offset 0) j on true
     where j.is_ours is not true or j.is_asked
$$;
