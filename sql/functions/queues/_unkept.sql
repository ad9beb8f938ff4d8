-- unkept: the queues that keep no history, as "state queue", for is_kept; NULL when all keep it.
-- Called by: finish_ended, finish_unended, cancel_held, end_waiting, where the table queue is not empty; drop_oldest.
-- Writes: nothing.
create function unkept() returns text[]
language sql stable as $$
    select array_agg(state || ' ' || name)
      from queue, lateral (values ('succeeded', keep_succeeded), ('cancelled', keep_cancelled)) as s(state, keeps)
     where not keeps
$$;

-- is_kept: whether a job that ends in this state leaves a row in the history: nodes of workflows do, whatever their queue says.
-- unkept: what the function of that name returns. Called by: who moves plain jobs to the history, as a filter. Writes: nothing.
-- Inlined, hence no settings.
create function is_kept(state text, queue text, workflow_id bigint, unkept text[]) returns bool
language sql as $$
    select unkept is null or workflow_id is not null or (state || ' ' || queue) <> all (unkept)
$$;
