-- enqueue_plain: enqueue of a job without further options. Each argument that a call leaves out takes the server 2 us.
-- Called by: pgqueue's clients; in SQL, enqueue does the same. Writes: job. Locks: none. Raises PQ001, PQ005 as enqueue.
create function enqueue_plain(task text, args jsonb, queue text, priority int, notify bool) returns bigint
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    its_id bigint;
    due    timestamptz;
begin
    if exists (select from queue q where q.name > '') then
        perform check_depth(queue, 1);
    end if;
    select j.id, j.due into its_id, due
      from insert_job(task, args, queue, priority, null, null, null, null, null, null, null, null, null, false) j;
    if notify then
        perform wake_for(queue, due);
    end if;
    return its_id;
end $$;
