-- cancel_operation: ends an operation; what it has done stays, the rest of its jobs is left as it is.
-- Called by: applications, operators. Writes: operation, audit_log. Locks: the operation; waits for the step that is being taken.
-- Raises PQ001 for a bad `by`, PQ003 if there is no such operation, and PQ004 if it is over.
create function cancel_operation(id bigint, by text default null) returns operation
language plpgsql security definer set search_path from current as $$
#variable_conflict use_variable
declare
    its operation;
    who text := check_by(by);
begin
    select * into its from operation o where o.id = id for update;
    if not found then
        raise exception 'operation_id: there is no operation %; it never existed, or the history no longer keeps it', id
            using errcode = 'PQ003';
    elsif its.finished_at is not null then
        raise exception 'operation_id: operation % is over (%); only one that goes on can be cancelled', id, its.state
            using errcode = 'PQ004';
    end if;
    its.cancelled_by := who;
    its.state := 'cancelled';
    perform audit('cancel_operation', 'operation', id::text, by);
    return save_operation(its);
end $$;
