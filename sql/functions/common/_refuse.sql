-- refuse: raises PQ004 with the state that stands in the way of a verb, or PQ003 when there is no such job.
-- Called by: verbs on one job. Writes: nothing.
create function refuse(job_id bigint, remedy text) returns void
language plpgsql as $$
begin
    perform assert_known(job_id);
    raise exception 'job_id: job % is %; %', job_id, (select state from jobs where id = job_id), remedy using errcode = 'PQ004';
end $$;

-- assert_known: raises PQ003 when there is no such job. tells: whether the caller may know who has discarded it, and why.
-- Called by: refuse, signal, explain. Writes: nothing.
create function assert_known(job_id bigint, tells bool default true) returns void
language plpgsql as $$
declare
    discarded text;
begin
    if not exists (select from jobs where id = job_id) then
        select d.says into discarded from discard_of(job_id) d;
        if found and tells then
            raise exception 'job_id: job % is not kept any more: %', job_id, discarded using errcode = 'PQ003';
        end if;
        raise exception 'job_id: there is no job %; it never existed, or the history no longer keeps it', job_id
            using errcode = 'PQ003';
    end if;
end $$;
