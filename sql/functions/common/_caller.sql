-- caller: on whose behalf a function runs: the role that the session has set, else its login. current_user is the owner here.
-- Called by: caller_may, maker, assert_may_enqueue. Writes: nothing.
create function caller() returns name
language sql stable as $$ select coalesce(nullif(current_setting('role'), 'none')::name, session_user) $$;

-- caller_may: whether the caller may call one of our functions. Called by: maker, assert_may_enqueue. Writes: nothing.
create function caller_may(function text) returns bool
language sql stable as $$ select coalesce(has_function_privilege(caller(), to_regproc(function), 'EXECUTE'), false) $$;
