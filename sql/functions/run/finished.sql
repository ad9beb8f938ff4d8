-- finished: what became of a transaction that called complete and whose COMMIT was never answered.
-- Called by: ctx.transaction(), on another connection. Writes nothing, locks nothing.
-- xid: pg_current_xact_id() of that transaction. Without it there would be no telling a commit that is still on its way, during
-- which the job looks as if it ran, from a rollback; nor our commit from that of the job's next owner: history keeps no token.
--   pending    the server has not ended it yet: ask again
--   committed  it committed: the job is done
--   running    it was rolled back, and the job is still this token's
--   lost       it was rolled back, and the job is not this token's any more
-- What is left: a failover that lost the commit, to a server that has used the same xid for something else, after which another
-- worker finished the job, reads as committed. The job is done and its effects are there once, so nothing is wrong but the word.
create function finished(job_id bigint, token uuid, xid xid8) returns text
language plpgsql security definer set search_path from current as $$
declare
    fate text;
begin
    begin
        fate := pg_xact_status(xid);
    exception when invalid_parameter_value then
        fate := 'aborted';  -- "in the future": a new primary that never heard of it
    end;
    if fate = 'in progress' then
        return 'pending';
    end if;
    if exists (select from job j where j.id = job_id and j.claim_token = token) then
        return 'running';
    end if;
    if fate = 'committed' and (exists (select from job_history h where h.id = job_id and h.state = 'succeeded')
                               -- Nothing is left of it: its queue keeps no history.
                               or not exists (select from jobs j where j.id = job_id)) then
        return 'committed';
    end if;
    return 'lost';
end $$;
