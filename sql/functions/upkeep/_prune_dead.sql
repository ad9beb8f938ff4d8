-- prune_dead: deletes dead letters that are older than dead_days of their queue, or else of the setting, `most` at a time; those
-- of a node stay while its workflow is open, because its children may read why it failed. Returns whether there may be more.
-- Called by: prune. Writes: dead_letter, unkept_end. Locks: dead letters, SKIP LOCKED: one that is being retried stays.
-- Queue by queue, each found by the index alone: what is kept for longer is not looked at again and again.
create function prune_dead(most int) returns bool
language plpgsql set enable_seqscan = off set jit = off as $$
declare
    keep_days int := (select dead_days from setting);
    counted   timestamptz := coalesce((select day_at from roll_up_state where day_at <= clock_timestamp()), '-infinity');
    ends      job_end[];
    gone      int;
begin
    if keep_days is null and not exists (select from queue q where q.dead_days is not null) then
        return false;
    end if;
    with gone as (
        delete from dead_letter d where d.id = any (array(
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
             limit most)) returning d.*
    )
    select count(*), array_agg(row(g.finished_at, g.queue, g.task, g.state, g.priority, g.attempt, g.elapsed, g.run_at,
                                   g.created_at, g.claimed_at, g.control)::job_end) filter (where g.finished_at >= counted)
      into gone, ends from gone g;
    if ends is not null then
        perform note_gone(ends);
    end if;
    return gone = most;
end $$;
