-- end_forced: ends running jobs as cancelled that were to end by now and have not, see cancel (force_after): their workers may be
-- gone, or hang. Called by: promote, which pins the plan, when there are some. Writes: forced_cancel; see fence.
-- Locks: rows of forced_cancel and job rows, SKIP LOCKED; the workflow of a node, 50 ms at most. What is locked, or cannot be
-- ended because of a trigger of the application for example, stays for the next call. Returns whether there may be more that
-- can be ended now: not where all that it looked at had to stay.
create function end_forced(want int default 200) returns bool
language plpgsql set lock_timeout = '50ms' as $$
declare
    due    record;
    ended  int := 0;
    looked int := 0;
    gone   int := 0;
begin
    for due in
        select f.job_id, f.token from forced_cancel f
         where f.at <= (select clock_timestamp()) order by f.at, f.job_id limit want for update skip locked
    loop
        looked := looked + 1;
        begin
            if fence(due.job_id, due.token) then
                ended := ended + 1;
            else
                -- Of another token: the job has ended by itself, and was retried. Of this one: its row is locked.
                continue when exists (select from job j where j.id = due.job_id and j.claim_token = due.token);
            end if;
            delete from forced_cancel f where f.job_id = due.job_id;
            gone := gone + 1;
        exception
            when lock_not_available then null;
            when others then raise warning 'job % could not be cancelled by force: %', due.job_id, sqlerrm;
        end;
    end loop;
    if ended > 0 then
        perform wake('!cancel');
    end if;
    return looked = want and gone > 0;
end $$;
