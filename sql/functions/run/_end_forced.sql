-- end_forced: ends running jobs as cancelled that were to end by now and have not, see cancel (force_after): their workers may be
-- gone, or hang. Called by: promote, which pins the plan, when there are some. Writes: forced_cancel; see fence.
-- Locks: job rows, the workflows of nodes and rows of forced_cancel, all SKIP LOCKED: it waits for nobody, and what is locked
-- hides no other job. A job that cannot be ended, because of a trigger of the application for example, is tried again a second
-- later. Returns whether there may be more.
create function end_forced(want int default 200) returns bool
language plpgsql set lock_timeout = '50ms' as $$
declare
    now_    timestamptz := clock_timestamp();
    over    bigint[] := array(  -- that run has ended by itself
        select f.job_id from forced_cancel f
         where f.at <= now_ and not exists (select from job j where j.id = f.job_id and j.claim_token = f.token offset 0)
         order by f.at limit want for update skip locked);
    job_ids bigint[];
    due     record;
    ended   int := 0;
begin
    delete from forced_cancel where job_id = any (over);
    job_ids := array(
        select f.job_id
          from forced_cancel f
          join lateral (select workflow_id as flow from job j where j.id = f.job_id and j.claim_token = f.token
                           for update skip locked offset 0) j on true
          left join lateral (select id from workflow where id = flow for no key update skip locked offset 0) w on true
          join lateral (select from forced_cancel o where o.job_id = f.job_id and o.at <= now_
                           for update skip locked offset 0) own on flow is null or w.id is not null
         where f.at <= now_
         order by f.at limit want);
    for due in
        select f.job_id, f.token from unnest(job_ids) as u(id), lateral (
               select job_id, token from forced_cancel where job_id = u.id offset 0) f
    loop
        begin
            if fence(due.job_id, due.token) then
                delete from forced_cancel f where f.job_id = due.job_id;
                ended := ended + 1;
                continue;
            end if;
        exception
            when lock_not_available then null;  -- of a unique key that another transaction is taking, see settle
            when others then raise warning 'job % could not be cancelled by force: %', due.job_id, sqlerrm;
        end;
        update forced_cancel f set at = clock_timestamp() + interval '1 second' where f.job_id = due.job_id;
    end loop;
    if ended > 0 then
        perform wake('!cancel');
    end if;
    return want in (cardinality(over), cardinality(job_ids));
end $$;
