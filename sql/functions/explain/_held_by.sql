-- held_by: that another transaction has held a row for a second or more: claims and the ends of jobs pass it over meanwhile.
-- Called by: causes_of, why_waiting, parents_of. Writes: nothing. what: the row in words.
-- holder: xmax of the row; of a transaction that is over it is in no lock. Several that share the row are not seen.
create function held_by(what text, holder xid) returns setof cause
language sql stable as $$
    select 'locked', format('%s is locked by %s%s; workers pass it over until that transaction ends', what,
                            coalesce('the transaction of process ' || l.pid, 'a prepared transaction'),
                            coalesce(' since ' || said_since(a.xact_start), '')),
           null::timestamptz,
           jsonb_build_object('pid', l.pid, 'since', in_utc(a.xact_start), 'application', a.application_name)
      from pg_locks l left join pg_stat_activity a on a.pid = l.pid
     where holder::text <> '0' and l.locktype = 'transactionid' and l.transactionid = holder and l.granted
       and l.pid is distinct from pg_backend_pid()
       and coalesce(a.xact_start, '-infinity') < clock_timestamp() - interval '1 second'
$$;

-- operations_on: the operations that are about to act on a job. Called by: causes_of. Writes: nothing.
create function operations_on(job_id bigint) returns setof cause
language sql stable as $$
    select 'operation', format('operation %s of %s is about to %s it', o.id, said_name(o.asked_by), o.kind), null::timestamptz,
           jsonb_build_object('operation_id', o.id, 'kind', o.kind, 'by', o.asked_by, 'reason', o.reason)
      from (select * from operation where finished_at is null and not dry_run order by id limit 100) o
     where exists (select from operation_job m where m.operation_id = o.id and m.job_id = operations_on.job_id)
$$;
