-- assert_may_enqueue: refuses a caller that may not enqueue: who says what a job runs with enqueues, by whatever verb.
-- Called by: update, retry, set_schedule, checked_spec. Writes: nothing. Raises 42501.
-- The caller is the role that the session has set, else its login; current_user is the owner here.
-- field: the argument that needs it.
create function assert_may_enqueue(field text) returns void
language plpgsql as $$
declare
    caller name := case when current_setting('role') = 'none' then session_user else current_setting('role') end;
begin
    if has_function_privilege(caller, to_regproc('enqueue'), 'EXECUTE') is not true then
        raise exception '%: % may not set it, because this decides what a job runs with, as enqueue does; grant % to %',
            field, caller, quote_ident(current_schema() || '_producer'), caller
            using errcode = 'insufficient_privilege', column = field;
    end if;
end $$;
