-- maker: for whom nodes are added, as far as it matters for results; NULL for all who may read results anyway, see caller. Else
-- the login, the role that it has set, which others may set too, and the key in pgqueue.key for which a server of the REST API
-- adds them. Called by: link_nodes, depend. Writes: nothing. Whoever sets pgqueue.key can only lose by it.
create function maker() returns text
language sql stable as $$
    select case when key <> '' or not caller_may('result')
                then concat_ws('/', session_user, nullif(caller(), session_user), nullif(key, '')) end
      from current_setting('pgqueue.key', true) as k(key)
$$;

-- is_withheld: whether the maker of a child may not know what this parent has returned: it has neither made that node nor may it
-- read results. Called by: link_nodes, depend. Writes: nothing.
-- A plain job that was adopted is nobody's: whoever has enqueued it is not kept.
create function is_withheld(parent_id bigint, maker text) returns bool
language sql stable as $$
    select case when maker is null then false
                else (select n.made_by from workflow_node n where n.job_id = parent_id) is distinct from maker end
$$;
