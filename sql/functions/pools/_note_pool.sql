-- note_pool: keeps what was decided about a pool, or what happened to it, in the transaction in which it does.
-- Called by: all that changes a pool. Writes: pool_event. Raises PQ001 when `by` or the reason is too long.
--
-- kind     made, changed, scaled, rolled, paused, resumed, deleting, deleted, autoscale: by people;
--          scaled_up, scaled_down, refused: by the autoscaler; taken, freed, moved (to another host), rolling, cannot_start,
--          agent_started, agent_left, agent_lost: by agents
-- by       who: a person, or the name of an agent; NULL = the user of the session
-- before, after: workers wanted, if that is what has changed
-- figures  what the decision was made by
create function note_pool(
    pool text, kind text, by text default null, before int default null, after int default null, reason text default null,
    figures jsonb default null
) returns void
language plpgsql as $$
begin
    perform check_size('figures', figures, 8000);
    insert into pool_event (pool, kind, by, before, after, reason, figures)
    values (pool, kind, check_by(by), before, after, check_reason('reason', reason), figures);
end $$;
