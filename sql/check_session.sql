-- Refuses a session in which a migration cannot be done, or could be done by half. Applied by each migration before
-- anything else, with pg_catalog alone on the search_path.
--
-- pgqueue.schema  the schema; set for the transaction by the statement before, and so gone if there is none
do $$
begin
    if current_setting('server_version_num')::int < 150000 then
        raise exception 'server: PostgreSQL % is too old; pgqueue needs 15 or newer', current_setting('server_version')
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    if current_setting('server_encoding') <> 'UTF8' then  -- in ASCII, which every encoding has
        raise exception 'database: % has the encoding %, which cannot store every text; pgqueue needs UTF8: create database ... '
            'encoding ''UTF8'' template template0', quote_ident(current_database()), current_setting('server_encoding')
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    if coalesce(current_setting('pgqueue.schema', true), '') = '' then
        raise exception 'connection: each of its statements is committed at once (autocommit), and a migration needs a '
            'transaction; begin one' using errcode = 'object_not_in_prerequisite_state';
    end if;
    if pg_is_in_recovery() then
        raise exception 'server: it is a standby, which cannot be written to; give the URL of the primary, as by '
            'target_session_attrs=read-write' using errcode = 'object_not_in_prerequisite_state';
    end if;
    if current_setting('transaction_read_only') = 'on' then
        raise exception 'connection: its transaction is read-only; begin it with: begin read write'
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
        raise exception 'connection: the isolation level of its transaction is %, so that it does not see what another migration '
            'has done; begin it with: begin isolation level read committed', current_setting('transaction_isolation')
            using errcode = 'object_not_in_prerequisite_state';
    end if;
end $$;
