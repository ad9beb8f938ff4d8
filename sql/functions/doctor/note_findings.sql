-- note_findings: remembers what a worker has found, and returns what is new and what is gone, for its log.
-- Called by: the worker whose turn it was, see diagnosis_due. Writes: finding_log, worker_clock. Locks: the row of diagnosis, so
-- that of two that overlap one waits for the other.
-- findings: as JSON, each also with `source`, the check that found it
-- checks:   those that were made. What another one has found before is neither new nor gone
create function note_findings(findings jsonb, checks text[])
returns table (change text, name text, severity text, subject text, problem text)
language plpgsql security definer set search_path from current as $$
#variable_conflict use_column
declare
    now_ timestamptz := clock_timestamp();
begin
    if jsonb_typeof(findings) is distinct from 'array' or octet_length(findings::text) > 1048576 then
        perform invalid('findings', left(findings::text, 200), 'use a JSON array of findings, of 1 MB at most');
    end if;
    perform from diagnosis for no key update;
    delete from worker_clock c where not exists (select from worker w where w.id = c.worker_id);
    return query
    with given as (
        select distinct on (f.name, f.subject) e.element->>'source' as source, f as its, f.name, f.subject
          from jsonb_array_elements(findings) as e(element), jsonb_populate_record(null::finding, e.element) f
         where f.name is not null and f.subject is not null
    ), gone as (
        delete from finding_log l
         where l.source = any (checks) and not exists (select from given g where g.name = l.name and g.subject = l.subject)
        returning l.found as its
    ), known as (
        insert into finding_log as l (name, subject, source, found, found_at, seen_at)
        select g.name, g.subject, g.source, g.its, now_, now_ from given g
            on conflict (name, subject) do update
               set found = excluded.found, source = excluded.source, seen_at = excluded.seen_at
        returning l.found as its, l.found_at = now_ as is_new  -- one time: two would differ now and then
    ), changes as (
        select 'new' as change, its from known where is_new
        union all
        select 'gone', its from gone
    )
    select c.change, (c.its).name, (c.its).severity, (c.its).subject, (c.its).problem from changes c
     order by 1 desc, 2, 4;
end $$;
