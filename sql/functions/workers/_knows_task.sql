-- knows_task: whether a worker that has registered these tasks may run a job of this one. A worker that has named none (it is not
-- ours), or more than are kept, may know any.
-- Called by: functions of explain. Writes: nothing.
create function knows_task(tasks text[], task text) returns bool
language sql immutable as $$
    select tasks is null or task = any (tasks) or cardinality(tasks) >= 1000
$$;
