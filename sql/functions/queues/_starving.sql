-- starving: locks jobs of a queue that have been due for longer than its starvation_after, the oldest first, whatever their
-- priority: at most its starvation_share of the jobs that a claim has room for. Of small claims some take one.
-- Called by: claim, claim_gated, where the table queue is not empty; the plan is pinned by claim. Writes: nothing.
-- Locks: job rows, SKIP LOCKED. Jobs with limits are not among them: their lanes take turns.
create function starving(in_queue text, room int, paused text[]) returns bigint[]
language plpgsql as $$
declare
    its  record;
    most int;
begin
    select q.starvation_after, q.starvation_share into its from queue q
     where q.name = in_queue and q.starvation_after is not null;
    if not found then
        return '{}';
    end if;
    most := floor(room * its.starvation_share + random());
    if most < 1 then
        return '{}';
    end if;
    return oldest_ready(in_queue, clock_timestamp() - its.starvation_after, most, paused, true);
end $$;
