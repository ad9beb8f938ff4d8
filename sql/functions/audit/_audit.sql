-- audit: keeps who has done what, in the transaction that does it. Called by: verbs of people, not by what workers call.
-- Writes: audit_log. Raises PQ001 when `by` is invalid: then nothing is done.
-- by: who, as the caller says; NULL = the user of the session. client is what the caller says too, if it has set
-- pgqueue.client, as the REST API does for those that call it; any session can. role is PostgreSQL's word.
-- before, after: what was changed; if both are given and are the same, nothing was, and there is no row.
create function audit(
    verb text, kind text, subject text, by text, reason text default null, before jsonb default null, after jsonb default null,
    filter jsonb default null, jobs int default null
) returns void
language plpgsql as $$
declare
    who text := check_by(by);
begin
    reason := check_reason('reason', reason);
    if before = after then
        return;
    end if;
    insert into audit_log (by, role, client, application, verb, kind, subject, reason, before, after, filter, jobs)
    values (who, session_user, client_address(), nullif(current_setting('application_name'), ''), verb, kind, subject,
            reason, audited(before), audited(after), audited(filter), jobs);
end $$;

-- client_address: the address that the setting pgqueue.client names, else that of the session; NULL = a socket of the machine.
-- Called by: audit. Writes: nothing. Raises PQ001 when the setting is no address.
create function client_address() returns inet
language plpgsql stable as $$
declare
    given text := nullif(current_setting('pgqueue.client', true), '');
begin
    if given is null then
        return inet_client_addr();
    end if;
    begin
        return given::inet;
    exception when invalid_text_representation then
        perform invalid('pgqueue.client', given, 'use an address such as 192.0.2.7');
    end;
end $$;

-- audited: a value as it is kept: without members that are null, or the first 8,000 characters of its text.
-- Called by: audit. Writes: nothing.
create function audited(value jsonb) returns jsonb
language sql immutable as $$
    select case when value is null then null
                when length(value::text) > 8000 then to_jsonb(left(value::text, 8000) || ' …')
                else (select jsonb_object_agg(key, m.value) from jsonb_each(value) m where m.value <> 'null') end
$$;

-- job_facts: what the audit log keeps of a job before it changes; NULL when there is none.
-- Called by: cancel, retry, discard. Writes: nothing. Locks: none.
create function job_facts(job_id bigint) returns jsonb
language plpgsql stable set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
#variable_conflict use_variable
declare
    its record;
begin
    select j.state, j.queue, j.task into its from job j where j.id = job_id;
    if not found then
        select d.state, d.queue, d.task into its from dead_letter d where d.id = job_id;
    end if;
    if not found then
        select h.state, h.queue, h.task into its from job_history h where h.id = job_id;
    end if;
    return case when its.state is not null
                then jsonb_build_object('state', its.state, 'queue', its.queue, 'task', its.task) end;
end $$;

-- keep_audit: refuses every change of the audit log, but for the removal of rows that are older than setting.audit_days.
-- Called by: the triggers of audit_log. Raises PQ004.
create function keep_audit() returns trigger
language plpgsql set search_path from current as $$
begin
    if tg_op = 'DELETE' and old.at < clock_timestamp() - make_interval(days => (select audit_days from setting)) then
        return old;
    end if;
    raise exception 'audit_log: rows are only added; prune removes those that are older than setting.audit_days'
        using errcode = 'PQ004';
end $$;

-- prune_audit: deletes rows that are older than setting.audit_days. Returns whether there may be more. Called by: prune.
-- Writes: audit_log.
create function prune_audit(most int) returns bool
language plpgsql set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
declare
    gone int;
begin
    delete from audit_log where id = any (array(
        select id from audit_log
         where at < (select clock_timestamp()) - make_interval(days => (select audit_days from setting)) order by at limit most));
    get diagnostics gone = row_count;
    return gone = most;
end $$;
