-- prune_steps: deletes the steps and signals of jobs that are kept nowhere any more. Returns whether there may be more.
-- Called by: prune. Writes: job_step, job_signal, upkeep. Locks: the rows that it deletes, which nobody else changes, and upkeep.
-- It walks through both tables by job id, so many rows a call, and goes on where the last call has stopped: what belongs to jobs
-- that are live, dead letters or in the history is looked at once a round and hides nothing behind it. What was written within
-- the retention of the history is not even looked up: its job cannot be gone.
create function prune_steps(keep_days int, most int default 10000) returns bool
language plpgsql set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
declare
    since bigint;
    upto  bigint;
    gone  bigint[];
begin
    if pg_relation_size('job_step') = 0 and pg_relation_size('job_signal') = 0 then
        return false;
    end if;
    since := (select steps_from from upkeep);
    upto := least((select job_id from job_step where job_id > since order by job_id offset most limit 1),
                  (select job_id from job_signal where job_id > since order by job_id offset most limit 1));
    gone := array(
        select distinct job_id
          from (select job_id, ended_at as at from job_step where job_id > since and job_id <= coalesce(upto, 9223372036854775807)
                union all
                select job_id, coalesce(ended_at, waited_at) from job_signal
                 where job_id > since and job_id <= coalesce(upto, 9223372036854775807)) kept
         where at < clock_timestamp() - make_interval(days => keep_days)
           and not exists (select from job where id = job_id)
           and not exists (select from dead_letter where id = job_id)
           and not exists (select from job_history where id = job_id));
    delete from job_step where job_id = any (gone);
    delete from job_signal where job_id = any (gone);
    update upkeep set steps_from = coalesce(upto, 0) where steps_from <> coalesce(upto, 0);
    return gone <> '{}' and upto is not null;
end $$;
