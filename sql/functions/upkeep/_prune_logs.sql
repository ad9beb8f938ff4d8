-- prune_logs: deletes the log lines of jobs that are gone. It walks through the jobs that have lines, so many a call, and begins
-- anew behind the last one: so jobs that stay for long, such as dead letters, hide no other. Returns whether there is more.
-- Called by: prune. Writes: job_log, upkeep. Locks: the row of upkeep; rows that nobody else changes, as their job is gone.
create function prune_logs(most_jobs int default 2000, most_lines int default 50000) returns bool
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
declare
    seen    bigint := 0;
    ids     bigint[];
    gone    bigint[];
    deleted bigint[];
begin
    if pg_relation_size('job_log') = 0 then  -- in an install without lines this is all that it costs
        return false;
    end if;
    select logs_from into seen from upkeep;
    with recursive walk as (
        (select job_id from job_log where job_id > seen order by job_id limit 1)
        union all
        select (select l.job_id from job_log l where l.job_id > w.job_id order by l.job_id limit 1)
          from walk w where w.job_id is not null
    )
    select coalesce(array_agg(job_id), '{}') into ids
      from (select job_id from walk where job_id is not null limit most_jobs) w;
    -- One statement, because a job that moves from one table to another is seen in one of them.
    gone := array(select id from unnest(ids) as u(id)
                   where not exists (select from job j where j.id = u.id offset 0)
                     and not exists (select from dead_letter d where d.id = u.id offset 0)
                     and not exists (select from job_history h where h.id = u.id offset 0)
                   order by id);
    with old as (
        delete from job_log where ctid = any (array(
            select ctid from job_log where job_id = any (gone) order by job_id, seq limit most_lines))
        returning job_id
    )
    select coalesce(array_agg(job_id), '{}') into deleted from old;
    if cardinality(deleted) = most_lines then  -- more lines of the last one may be left
        seen := (select max(id) from unnest(deleted) as d(id)) - 1;
    else
        seen := case when cardinality(ids) = most_jobs then ids[most_jobs] else 0 end;
    end if;
    update upkeep set logs_from = seen;
    return cardinality(deleted) = most_lines or (seen > 0 and cardinality(gone) > most_jobs / 2);
end $$;
