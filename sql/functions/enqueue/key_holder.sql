-- key_holder: who holds the key of a unique job now: the live job that a further enqueue with this key would get. It may be the
-- job itself; NULL: nobody does. Called by: people. Writes: nothing.
--
-- is_unique  whether it has a key that is kept with it; NULL: there is no such job. The keys of mode period are kept elsewhere,
--            so jobs of that mode are none.
create function key_holder(job_id bigint, out is_unique bool, out holder bigint)
language plpgsql stable security definer set search_path from current
set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_variable
declare
    its record;
begin
    select unique_key into its
      from (select j.unique_key from job j where j.id = job_id
            union all select d.unique_key from dead_letter d where d.id = job_id
            union all select h.unique_key from job_history h where h.id = job_id) kept;
    if found then
        is_unique := its.unique_key is not null;
        holder := (select j.id from job j where j.unique_key = its.unique_key);
    end if;
end $$;
