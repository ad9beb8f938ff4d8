-- insert_unique: adds a job unless one with its key is live (mode period: was added within the period), and says which it is.
-- Returns when it is due, NULL when nothing was changed: then no worker needs to be woken.
-- Called by: insert_job. Writes: job, unique_hold.
-- Locks: the key, by its unique index: it waits for a transaction that is adding or ending a job with the same key; that cannot
-- be avoided, because whether there is a duplicate is known only at its end. Several keys are taken in the order of their
-- digests. A caller in REPEATABLE READ or SERIALIZABLE gets 40001 when another transaction has added or moved that job since its
-- snapshot.
create function insert_unique(new new_job, unique_mode text, unique_key text, unique_period interval,
                              out id bigint, out duplicate bool, out due timestamptz)
-- Pinned: a plan kept from when the tables were empty would scan them for the key.
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_column
declare
    digest    bytea := unique_digest(new.task, new.args, insert_unique.unique_key);
    its_queue text;
begin
    perform check_unique(insert_unique.unique_mode, unique_period);
    if insert_unique.unique_mode = 'period' then
        insert_unique.id := hold_key(digest, new.id, unique_period);
        duplicate := insert_unique.id <> new.id;
        if not duplicate then
            insert into new_job overriding system value values (new.*);
            due := new.run_at;
        end if;
        return;
    end if;
    new.unique_key := digest;
    new.unique_mode := insert_unique.unique_mode;
    loop
        insert into new_job overriding system value values (new.*)
            on conflict (unique_key) where unique_key is not null do nothing
        returning new_job.id into insert_unique.id;
        duplicate := not found;
        if found then
            due := new.run_at;
            exit;
        end if;
        if new.unique_mode = 'replace' then  -- not a blocked one: it belongs to the holder of its workflow
            update job set args = new.args, args_bytes = new.args_bytes,
                           run_at = new.run_at, priority = new.priority, meta = new.meta, state = new.state,
                           limits = new.limits, lane_id = lane_of(job.queue, new.limits), cost = new.cost,
                           terms = new.terms, expires_at = new.expires_at, deadline_at = new.deadline_at
             where unique_key = digest and state in ('scheduled', 'ready')
            returning job.id, job.queue into insert_unique.id, its_queue;
            if found then
                due := new.run_at;
                if its_queue <> new.queue then
                    perform wake_for(its_queue, due);  -- the caller wakes the queue that it named
                end if;
                exit;
            end if;
        end if;
        select job.id into insert_unique.id from job where unique_key = digest;
        exit when found;  -- else that job has ended meanwhile, and the key is free
    end loop;
end $$;

-- hold_key: takes a key for a time unless it is held; returns the id of the job that holds it.
-- Called by: insert_unique. Writes: unique_hold.
create function hold_key(digest bytea, for_job bigint, period interval) returns bigint
language plpgsql as $$
declare
    holder bigint;
begin
    -- A look first, because ON CONFLICT DO UPDATE locks the row even where it changes nothing: duplicates would wait for each
    -- other.
    select job_id into holder from unique_hold where unique_key = digest and expires_at > clock_timestamp();
    while holder is null loop
        insert into unique_hold as h (unique_key, job_id, expires_at) values (digest, for_job, clock_timestamp() + period)
            on conflict (unique_key) do update
            set job_id = excluded.job_id, expires_at = excluded.expires_at, held_at = excluded.held_at
             where h.expires_at <= clock_timestamp()
        returning job_id into holder;
        exit when found;
        select job_id into holder from unique_hold where unique_key = digest;
    end loop;
    return holder;
end $$;

-- check_unique: refuses modes that do not exist and periods that make no sense. Called by: insert_unique, find_duplicate,
-- checked_scheduled_job.
create function check_unique(unique_mode text, unique_period interval) returns void
language plpgsql as $$
begin
    if unique_mode is null or unique_mode <> all (enum_range(null::unique_mode)::text[]) then
        perform invalid('unique_mode', unique_mode, 'use until_done, until_started, replace or period');
    elsif unique_mode = 'period'
          and (fits(unique_period, interval '1000 years') and unique_period > interval '0') is not true then
        perform invalid('unique_period', unique_period::text, 'mode period needs an interval above 0, up to 1000 years');
    elsif unique_mode <> 'period' and unique_period is not null then
        perform invalid('unique_period', unique_period::text, 'only mode period has one');
    end if;
end $$;
