-- Six roles, named after the schema, for people to grant to their logins. Applied by `pgqueue migrate --roles` only; again after
-- an upgrade: it makes what is missing; each role may do what stands here and no more, and others nothing, whoever granted it.
-- Roles belong to the server, not to the database: what others make meanwhile is taken as it is.
do $$
declare
    -- What a role may call; a name stands for all functions of that name.
    may_call constant jsonb := '{
        "producer": ["enqueue", "enqueue_plain", "enqueue_many", "enqueue_select", "enqueue_workflow", "extend_workflow",
                     "last_nodes", "find_duplicate", "enqueue_once", "first_refused", "installed_version", "signal"],
        "worker":   ["register_worker", "heartbeat", "retire_worker", "claim", "claim_jobs", "finish", "complete",
                     "foreign_tasks", "bury_worker", "explain", "explain_each", "unserved", "unknown_queues",
                     "finished", "fail", "snooze", "give_back", "progress", "note_soft_timeouts", "reconcile", "promote",
                     "expire", "mark_lost", "rescue", "maintain", "maintain_if_due", "has_work", "parents", "cancel_requests",
                     "declare_limit", "park", "park_from_job", "declare_schedule", "due_schedules", "fire_schedules",
                     "orphaned_schedules", "jitter_of", "sweep_lanes", "sweep_queues", "look_at_queues",
                     "result", "ended", "ask_results", "wake_waiters", "channel",
                     "save_step", "steps", "wait_for", "add_log", "watch", "ask_watch",
                     "claimed_jobs", "confirm", "run_steps",
                     "crossed_dead_letters", "sweep_depths",
                     "carry_on_operations", "roll_up", "answer_stacks", "sample_pools",
                     "register_agent", "agent_turn", "retire_agent",
                     "diagnose_connections", "diagnose_horizon", "diagnose_notifications", "diagnose_partitions",
                     "diagnose_pauses", "diagnose_plans", "diagnose_pools", "diagnose_queues", "diagnose_rollups",
                     "diagnose_schedules", "diagnose_schema", "diagnose_settings", "diagnose_tasks", "diagnose_vacuum",
                     "diagnose_workers", "diagnose_workflows", "diagnose_zones", "zones_in_use", "diagnosis_due",
                     "note_findings", "autoscale"],
        "viewer":   ["installed_version", "last_nodes", "result", "ended", "ask_results", "has_work", "channel",
                     "workflow_drift", "jitter_of", "steps", "signals", "check_filter", "read_filter",
                     "preview_operation",
                     "relatives",
                     "matching_ids", "list_jobs", "count_jobs", "changed_jobs", "watch", "ask_watch", "dead_groups",
                     "dead_stats", "explain", "explain_each", "unserved", "key_holder", "metrics",
                     "metric_series", "percentile_ms", "samples",
                     "list_limits", "limit_starts",
                     "workflow_shape",
                     "queue_activity", "scaling_hint", "lacks_worker", "unknown_since",
                     "diagnose_connections", "diagnose_horizon", "diagnose_notifications", "diagnose_partitions",
                     "diagnose_pauses", "diagnose_plans", "diagnose_pools", "diagnose_queues", "diagnose_rollups",
                     "diagnose_schedules", "diagnose_schema", "diagnose_settings", "diagnose_tasks", "diagnose_vacuum",
                     "diagnose_workers", "diagnose_workflows", "diagnose_zones", "zones_in_use"],
        "operator": ["cancel", "retry", "cancel_workflow", "retry_workflow", "repair_workflows", "update", "signal",
                     "extend_result", "delete_result", "promote", "expire", "mark_lost", "rescue", "maintain", "set_limit",
                     "delete_limit", "reset_limit", "park", "unpark", "sweep_lanes", "set_schedule", "delete_schedule",
                     "pause_schedule", "resume_schedule", "trigger_schedule", "backfill_schedule", "set_queue", "reset_queue",
                     "pause", "resume", "draining", "sweep_queues",
                     "discard",
                     "start_operation", "carry_on_operations", "cancel_operation", "ask_stacks", "tell_worker",
                     "make_pool", "set_pool", "scale_pool", "roll_pool", "pause_pool", "resume_pool", "delete_pool",
                     "set_autoscale"],
        "scaler":   ["scaling_hint"],
        "admin":    ["create_key", "revoke_key", "find_key", "has_keys", "note_key_used"]
    }';
    -- A handler enqueues; a role that acts on jobs also reads them. An operator is not a producer: it acts on existing jobs.
    -- A server of the REST API does for its callers whatever one of them may.
    is_also  constant jsonb := '{"worker": ["producer"], "operator": ["viewer"], "admin": ["worker", "operator"]}';
    -- Who reads what viewers do not: who has keys is the admins' business. Nobody reads the digests of keys: see find_key.
    may_read constant jsonb := '{"api_key": null, "api_keys": "admin"}';
    -- The fence of a run: whoever has it ends the job. Only functions for workers return it.
    hides    constant jsonb := '{"job": ["claim_token"], "permit": ["claim_token"], "forced_cancel": ["token"],
                                 "job_log": ["run"]}';
    kind     text;
    role     text;
    parent   text;
    callable text;
    target   text;
    readable text;
    parents  text[];
    wrong    text;  -- the statement that takes what a role has beyond this
begin
    if octet_length(current_schema()) > 54 then
        perform invalid('schema', current_schema(), 'its roles need a name of at most 54 bytes, to which _producer is added');
    end if;

    for kind in select jsonb_object_keys(may_call) loop
        role := current_schema() || '_' || kind;
        begin
            if to_regrole(quote_ident(role)) is null then
                execute format('create role %I nologin', role);
            end if;
        exception
            when duplicate_object or unique_violation then null;  -- another database's migration was faster
            when insufficient_privilege then
                raise exception 'roles: % may not create the role %; let a superuser, or a user that has CREATEROLE, run: create '
                    'role % nologin, or: alter role % createrole', current_user, role, quote_ident(role), current_user::regrole
                    using errcode = 'insufficient_privilege';
        end;
        parents := array(select current_schema() || '_' || p from jsonb_array_elements_text(is_also->kind) a(p));
        -- A role that may log in, or is a member of another one, may do more than what stands here.
        for wrong in
            select format('alter role %I %s', role, string_agg(attribute, ' '))
              from pg_roles cross join lateral (values
                       ('nosuperuser', rolsuper), ('nocreaterole', rolcreaterole), ('nocreatedb', rolcreatedb),
                       ('nologin', rolcanlogin), ('noreplication', rolreplication), ('nobypassrls', rolbypassrls),
                       ('inherit', not rolinherit)
                   ) a(attribute, is_wrong)
             where rolname = role and is_wrong having count(*) > 0
            union all
            select format('revoke %s from %I%s cascade', roleid::regrole, role,
                          case when to_jsonb(m) ? 'inherit_option' then ' granted by ' || grantor::regrole end)  -- 16 and later
              from pg_auth_members m
             where member = quote_ident(role)::regrole
               and (roleid <> all (array(select quote_ident(p)::regrole from unnest(parents) p)) or admin_option
                    or not coalesce((to_jsonb(m)->>'inherit_option')::bool, true))
        loop
            begin
                execute wrong;
            exception when insufficient_privilege then
                raise exception 'roles: % may do more than its part, and % may not change that; let a superuser run: %',
                    role, current_user, wrong using errcode = 'insufficient_privilege';
            end;
        end loop;
    end loop;

    perform take_from_others();
    for kind in select jsonb_object_keys(may_call) loop
        role := current_schema() || '_' || kind;
        for parent in select current_schema() || '_' || p from jsonb_array_elements_text(is_also->kind) as a(p) loop
            begin
                if not pg_has_role(role, parent, 'member') then
                    execute format('grant %I to %I', parent, role);
                end if;
            exception
                when unique_violation then null;  -- as above
                when insufficient_privilege then
                    raise exception 'roles: % may not grant % to %; let a superuser, or a user that has CREATEROLE, run: '
                        'grant % to %', current_user, parent, role, quote_ident(parent), quote_ident(role)
                        using errcode = 'insufficient_privilege';
            end;
        end loop;

        execute format('grant usage on schema %I to %I', current_schema(), role);
        -- Partitions are read through their table.
        for callable, target in
            select relname, oid::regclass from pg_class
             where relnamespace = quote_ident(current_schema())::regnamespace
               and relkind in ('r', 'p', 'v') and not relispartition
        loop
            if kind = (case when may_read ? callable then may_read->>callable else 'viewer' end) then
                select '(' || string_agg(quote_ident(attname), ', ' order by attnum) || ')' into readable from pg_attribute
                 where attrelid = target::regclass and hides ? callable and attnum > 0 and not attisdropped
                   and not hides->callable ? attname::text;
                execute format('grant select %s on %s to %I', readable, target, role);
            end if;
        end loop;
        for callable, target in
            select proname, oid::regprocedure from pg_proc where pronamespace = quote_ident(current_schema())::regnamespace
        loop
            if may_call->kind ? callable then
                execute format('grant execute on routine %s to %I', target, role);
            end if;
        end loop;
        for callable in select jsonb_array_elements_text(may_call->kind) loop
            if not exists (select from pg_proc
                           where pronamespace = quote_ident(current_schema())::regnamespace and proname = callable) then
                raise exception 'roles: there is no function %', callable;
            end if;
        end loop;
    end loop;
end $$;
