-- first_refused: which of the jobs that enqueue_many has refused is the first that it refuses alone, so that a message can name
-- it: its place, from 0; NULL: none is. Nothing stays of what it tries: each job is added and taken back in a subtransaction.
-- Called by: the REST API, after a refusal. Writes: nothing that stays. Locks: see enqueue_many.
create function first_refused(jobs jsonb) returns int
language plpgsql security definer set search_path from current as $$
declare
    place   bigint;
    element jsonb;
begin
    for element, place in select e.value, e.place - 1 from jsonb_array_elements(jobs) with ordinality as e(value, place) loop
        begin
            perform insert_each(jsonb_build_array(element));
            raise exception 'taken back' using errcode = 'PQ000';
        exception
            when sqlstate 'PQ001' or sqlstate 'PQ003' or sqlstate 'PQ004' then
                return place;
            when sqlstate 'PQ000' then null;  -- last, because to PostgreSQL it is the class of all of ours
        end;
    end loop;
    return null;
end $$;
