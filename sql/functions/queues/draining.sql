-- draining: how many jobs of a queue run, and which transactions may be claims that do not know of its pause yet.
-- Called by: whoever waits until nothing of a paused queue runs: again and again, with the claims of the call before, until none
-- of either are left. Writes: nothing. Locks: none, and nobody waits for it.
-- A claim reads the pauses after it has looked at the table worker, and so holds a lock on that. Who does not hold one at the
-- first call reads the pause. A claim lasts no longer than its deadline: what stays longer is something else, a backup perhaps.
create function draining(queue text, before text[] default null, out running int, out claims text[])
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
begin
    claims := array(select distinct l.virtualtransaction from pg_locks l
                     where l.relation = 'worker'::regclass and l.pid <> pg_backend_pid()
                       and l.database = (select oid from pg_database where datname = current_database())
                       and (before is null or l.virtualtransaction = any (before)));
    running := (select count(*) from job j where j.state = 'running' and j.queue = draining.queue);  -- a later snapshot
end $$;
