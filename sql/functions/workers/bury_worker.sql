-- bury_worker: declares a worker lost whose process has ended, and rescues its jobs now instead of after its lease.
-- Called by: who has started the process and has seen its end: the supervisor, an agent. Writes: worker; see rescue. Locks: the
-- worker row; see rescue.
-- In one transaction, unlike mark_lost and rescue: the process is dead and can hold no job that it has lost.
--
-- because  why, for people: the errors of its jobs say so, "its process was killed by SIGKILL"; at most 500 characters
-- reason   the same for programs, and that of the dead letters that this makes: crashed; memory; or worker_shutdown, if it was
--          told to end and did not, or was ended by a signal to stop: then no job is to blame
-- running  the jobs whose handlers had begun, as it has said itself; NULL = as its last heartbeat says
-- age      how many seconds ago it has said that
-- A job that alone may have been running is counted, see rescue_job. A worker that has left, or that was lost and rescued before,
-- is passed over: the call may be repeated. Returns how many jobs were taken; rescue takes what is locked just now.
-- Raises PQ001 for an invalid value.
create function bury_worker(
    worker uuid, because text, reason final_reason default 'crashed', running bigint[] default null, age float8 default 0
) returns int
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
set lock_timeout = '5s' as $$
#variable_conflict use_variable
declare
    seen timestamptz;
    held bigint[];
begin
    if coalesce(because, '') = '' then
        perform invalid('because', because, 'say why its process has ended');
    elsif coalesce(reason not in ('crashed', 'memory', 'worker_shutdown'), true) then
        perform invalid('reason', reason::text, 'use crashed, memory or worker_shutdown');
    elsif cardinality(running) > 100000 then
        perform invalid('running', cardinality(running)::text, 'name at most 100000 jobs');
    elsif (age between 0 and 1e6) is not true then
        perform invalid('age', age::text, 'use seconds, 0 to 1000000');
    end if;
    perform check_length('because', because, 500);
    seen := clock_timestamp() - make_interval(secs => age);
    update worker w
       set state = 'lost', lost_because = because, lost_reason = reason,
           started = case when running is not null and seen > w.heartbeat_at then running else w.started end,
           heartbeat_at = case when running is not null then greatest(seen, w.heartbeat_at) else w.heartbeat_at end
     where w.id = worker and w.lost_because is null;
    if not found then
        return 0;
    end if;
    -- As rescue sees it: what it has started, and what was claimed later.
    held := array(select j.id from worker w, lateral (
                         select id, claimed_at from job where state = 'running' and worker_id = w.id) j
                   where w.id = worker and (j.id = any (w.started) or j.claimed_at > w.heartbeat_at - interval '1 s') limit 2);
    if reason <> 'worker_shutdown' then
        update worker w set killed = held[1] where w.id = worker and cardinality(held) = 1;
    end if;
    return rescue();
end $$;
