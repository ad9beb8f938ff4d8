-- enqueue_plain: enqueue of a job without further options, but for a trace. Each argument that a call leaves out takes the server
-- 2 us.
-- Called by: pgqueue's clients; in SQL, enqueue does the same. Writes: job. Locks: none. Raises PQ001, PQ005 as enqueue.
create function enqueue_plain(task text, args jsonb, queue text, priority int, notify bool, trace jsonb default null)
returns bigint
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    its_id bigint;
    due    timestamptz;
    stored stored_options;
begin
    if exists (select from queue q where q.name > '') then
        perform check_depth(queue, 1);
    end if;
    if trace is not null then
        stored.terms := checked_terms(null, null, null, null, trace);
    end if;
    select j.id, j.due into its_id, due
      from insert_job(task, args, queue, priority, null, null, null, stored, null, null, null, null, null, false) j;
    if notify then
        perform wake_for(queue, due);
    end if;
    return its_id;
end $$;
