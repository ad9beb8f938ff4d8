-- refuse: raises PQ004 with the state that stands in the way of a verb, or PQ003 when there is no such job.
-- Called by: verbs on one job. Writes: nothing.
create function refuse(job_id bigint, remedy text) returns void
language plpgsql as $$
declare
    found_state job_state := (select state from jobs where id = job_id);
begin
    if found_state is null then
        raise exception 'job_id: there is no job %; it never existed, or the history no longer keeps it', job_id
            using errcode = 'PQ003';
    end if;
    raise exception 'job_id: job % is %; %', job_id, found_state, remedy using errcode = 'PQ004';
end $$;
