-- assert_may_enqueue: refuses a caller that may not enqueue: who says what a job runs with enqueues, by whatever verb.
-- Called by: update, retry, set_schedule, checked_spec. Writes: nothing. Raises 42501.
-- field: the argument that needs it.
create function assert_may_enqueue(field text) returns void
language plpgsql as $$
begin
    if not caller_may('enqueue') then
        raise exception '%: % may not set it, because this decides what a job runs with, as enqueue does; grant % to %',
            field, caller(), quote_ident(current_schema() || '_producer'), quote_ident(caller())
            using errcode = 'insufficient_privilege', column = field;
    end if;
end $$;
