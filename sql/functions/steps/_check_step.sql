-- check_step_name: refuses what cannot name a step or a signal. Called by: save_step, wait_for, signal, wakes_at.
-- Writes: nothing. Raises PQ001.
create function check_step_name(field text, name text) returns void
language plpgsql as $$
begin
    if length(name) between 1 and 200 is not true then
        perform invalid(field, name, 'use a text of 1 to 200 characters');
    end if;
end $$;

-- check_payload: refuses a payload that is larger than the arguments of a job may be. Called by: signal. Writes: nothing.
-- Raises PQ001.
create function check_payload(payload jsonb) returns void
language plpgsql as $$
declare
    most int := (select max_args_bytes from setting);
    size int := octet_length(payload::text);
begin
    if size > most then
        perform invalid('payload', payload::text, format(
                'it is %s bytes of JSON, at most %s are allowed; store it elsewhere and give its location', size, most));
    end if;
end $$;

-- refuse_more_steps: raises PQ001: a job has as many steps or signals as it may have: a run reads all of its steps at once.
-- Called by: save_step, assert_signal_fits. Writes: nothing.
create function refuse_more_steps(field text, name text, kind text, job_id bigint) returns void
language plpgsql as $$
begin
    perform invalid(field, name, format('job %s has 1,000 %s already; do several in one, or split the job', job_id, kind));
end $$;
