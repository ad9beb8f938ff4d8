-- signal: tells a job something that it waits for, or will wait for: a signal that comes first is kept. The first one of a name
-- wins. A job that waits for it is ready at once.
-- Called by: applications, operators. Writes: job_signal, job. Locks: the job row; waits for a claim or a finish in progress, so
-- either that finish sees the name in job.control, or this call sees that the job waits.
-- Returns whether it was stored: false if the job has this signal already, or was told that it does not come.
-- Raises PQ001 for a name or a payload that is not valid, or payloads of more than 16 MiB together,
-- PQ003 for an unknown job and PQ004 for one that is over.
create function signal(job_id bigint, name text, payload jsonb default null) returns bool
language plpgsql security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_variable
declare
    its   record;
    waits bool;
begin
    perform check_step_name('name', name);
    perform check_payload(payload);
    select j.state, j.queue, j.control, j.lane_id, j.workflow_id into its from job j where j.id = job_id for update;
    if not found then
        perform assert_known(job_id, tells => false);
        -- Not by refuse: how it has ended is no business of a producer, and neither is why somebody has discarded it.
        raise exception 'job_id: job % is over; only a job that is not over takes signals', job_id using errcode = 'PQ004';
    end if;
    if not exists (select from job_signal s where s.job_id = job_id and s.name = name) then
        perform assert_signal_fits(job_id, 'name', name);
        perform assert_payload_fits(job_id, payload);
    end if;
    insert into job_signal as s (job_id, name, payload, ended_at) values (job_id, name, payload, clock_timestamp())
    on conflict on constraint job_signal_pkey do update set payload = excluded.payload, ended_at = excluded.ended_at
     where s.ended_at is null;
    if not found then
        return false;
    end if;
    waits := its.state = 'scheduled' and coalesce(its.control->'waits_for'->>'signal' = name, false);
    update job j
       set control = (coalesce(j.control, '{}') - case when waits then 'waits_for' else '' end)
                     || jsonb_build_object('signals', coalesce(j.control->'signals', '[]') || to_jsonb(name)),
           state = case when waits then 'ready' else j.state end,
           run_at = case when waits then clock_timestamp() else j.run_at end
     where j.id = job_id;
    if waits then
        if its.workflow_id is not null then
            perform cancel_again(array[job_id]);
        end if;
        if its.lane_id is not null then
            perform take_turns(array[job_id]);
        end if;
        perform wake(its.queue);
    end if;
    return true;
end $$;

-- assert_payload_fits: raises PQ001 if the payloads of a job became more than 16 MiB of JSON: who looks at it reads them all.
-- Called by: signal, which holds the job. Writes: nothing.
create function assert_payload_fits(job_id bigint, payload jsonb) returns void
language plpgsql as $$
#variable_conflict use_variable
declare
    size bigint := octet_length(payload::text)
                   + (select sum(octet_length(s.payload::text)) from job_signal s where s.job_id = job_id);
begin
    if size > 16777216 then
        perform invalid('payload', left(payload::text, 100), format(
                'the signals of job %s would have %s bytes of JSON, at most 16777216 are allowed; store what is large elsewhere',
                job_id, size));
    end if;
end $$;
