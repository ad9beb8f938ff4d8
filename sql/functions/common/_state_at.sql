-- state_at: the state of a waiting job that is due at this time. Called by: functions that add or move one. Inlined, hence no
-- settings.
create function state_at(due timestamptz) returns job_state
language sql as $$
    select (case when due > clock_timestamp() then 'scheduled' else 'ready' end)::job_state
$$;
