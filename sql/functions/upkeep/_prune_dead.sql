-- prune_dead: deletes dead letters that are older than dead_days of their queue, or else of the setting, `most` at a time; those
-- of a node stay while its workflow is open, because its children may read why it failed. Returns whether there may be more.
-- Called by: prune. Writes: dead_letter. Locks: dead letters, SKIP LOCKED: one that is being retried stays.
-- Queue by queue, each found by the index alone: what is kept for longer is not looked at again and again.
create function prune_dead(most int) returns bool
language plpgsql set enable_seqscan = off set jit = off as $$
declare
    keep_days int := (select dead_days from setting);
    gone      int;
begin
    if keep_days is null and not exists (select from queue q where q.dead_days is not null) then
        return false;
    end if;
    delete from dead_letter where id = any (array(
        with recursive name (queue) as (
            (select queue from dead_letter order by queue limit 1)
            union all
            select (select d.queue from dead_letter d where d.queue > n.queue order by d.queue limit 1) from name n
             where n.queue is not null
        )
        select old.id
          from name n left join queue q on q.name = n.queue, lateral (
               select id from dead_letter d
                where d.queue = n.queue
                  and finished_at < (select clock_timestamp()) - make_interval(
                            days => least(coalesce(q.dead_days, keep_days), 1000000))  -- a time before all calendars is none
                  and not exists (select from workflow w where w.id = d.workflow_id and w.finished_at is null)
                order by finished_at limit most for update skip locked) old
         limit most));
    get diagnostics gone = row_count;
    return gone = most;
end $$;
