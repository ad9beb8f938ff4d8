-- wake: tells idle workers that a queue has something to do.
-- Called by: every function that makes jobs runnable; ask_results.
-- Writes: nothing. One channel per install; the payload is the queue, and equal payloads of one transaction merge.
-- Nobody is woken where pgqueue.notify is off: PostgreSQL does not prepare a transaction (two-phase commit) that has notified.
create function wake(queue text) returns void
language sql set search_path from current as $$
    select pg_notify(channel_of(current_schema()), queue)
     where coalesce(current_setting('pgqueue.notify', true), '') not in ('off', 'false', 'no', '0')
$$;

-- set_notify: sets pgqueue.notify until the transaction ends, and returns what it was, to be set again. An error in between takes
-- the setting back with all else. Called by: enqueue and its kind, for notify => false. Writes: nothing.
create function set_notify(value text) returns text
language plpgsql as $$
declare
    before text := coalesce(current_setting('pgqueue.notify', true), '');
begin
    perform set_config('pgqueue.notify', value, true);
    return before;
end $$;

-- mute: set_notify('off') if one of these jobs says notify: false; else NULL. All of them are added by one transaction.
-- Called by: insert_each, add_nodes. Writes: nothing.
create function mute(jobs jsonb) returns text
language plpgsql as $$
begin
    if jsonb_path_exists(jobs, 'strict $[*] ? (exists(@.notify))', silent => true) is not true then
        return null;
    end if;
    perform invalid('notify', element->>'notify', 'use true or false')
       from jsonb_array_elements(jobs) as e(element) where jsonb_typeof(element->'notify') not in ('boolean', 'null');
    return case when jsonb_path_exists(jobs, 'strict $[*] ? (@.notify == false)') then set_notify('off') end;
end $$;

-- wake_for: wake, if a job is due before all workers have looked by themselves: each does every 11 seconds at least, see
-- pgqueue/worker/backstop.py. NULL = no job, no wake.
-- Called by: enqueue and its kind, run_again, update_job. Writes: nothing.
create function wake_for(queue text, due timestamptz) returns void
language sql as $$
    select wake(queue) where due < clock_timestamp() + interval '12 seconds'
$$;
