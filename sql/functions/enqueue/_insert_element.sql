-- insert_element: insert_job for the options of a job as JSON, by the names of the arguments of enqueue.
-- Called by: make_job, checked_scheduled_job. enqueue_many reads its elements itself: one by one they cost a quarter more.
-- blocked: as in insert_job. Writes, locks, returns: as insert_job.
create function insert_element(element jsonb, blocked bool, out id bigint, out duplicate bool, out due timestamptz)
language plpgsql as $$
#variable_conflict use_variable
declare
    given record;
begin
    select * into given
      from jsonb_to_record(element) as j(
           task text, args jsonb, queue text, priority int, run_at timestamptz, run_after interval, retries int,
           unique_mode text, unique_key text, unique_period interval,
           limits text[], fair text, cost int, limits_declared text[]);
    select j.id, j.duplicate, j.due into id, duplicate, due
      from insert_job(given.task, coalesce(given.args, '{}'), coalesce(given.queue, 'default'), coalesce(given.priority, 0),
                      given.run_at, given.run_after, given.retries, stored_of(element),
                      given.unique_mode, given.unique_key, given.unique_period,
                      row(given.limits, given.fair, given.cost, given.limits_declared)::limiting, null, blocked) j;
end $$;
