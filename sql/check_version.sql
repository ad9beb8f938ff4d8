-- Refuses to go on with SQL that was written for another version of the schema. Applied by SQL that is written beforehand, which
-- cannot look; with the schema on the search_path.
--
-- pgqueue.since  the version for which it was written; empty: a first install
do $$
declare
    wanted constant text := current_setting('pgqueue.since');
    there  text;
begin
    if exists (select from pg_class
                where relnamespace = quote_ident(current_schema())::regnamespace and relname = 'schema_version') then
        select version_num into there from schema_version;
    end if;
    if coalesce(there, '') = wanted then
        return;
    end if;
    raise exception 'schema: % has %, and this SQL was written for %; write it again with the option: since %', current_schema(),
        coalesce('version ' || there, 'no pgqueue'), coalesce('version ' || nullif(wanted, ''), 'a first install'),
        coalesce(there, 'nothing')
        using errcode = 'object_not_in_prerequisite_state';
end $$;
